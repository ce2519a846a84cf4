"""Certificates of listeners: from PEM files, read again when they change."""

from libs.tls.certificates import CertificateFiles, Certificates

__all__ = ["CertificateFiles", "Certificates"]
