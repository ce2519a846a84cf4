"""A certificate and its key from files; handshakes use the newest complete pair."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The PEM files of a certificate and its key; `key` may be the same file as `certificate`."""

    certificate: Path
    key: Path

    def stamp(self) -> tuple[int, int]:
        """Return a value that changes when a file does. Raises `OSError`."""
        return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns

    def context(self) -> ssl.SSLContext:
        """Return a context for TLS 1.2 and newer (RFC 8996). Raises `OSError` (or `ssl.SSLError`) for bad files."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.load_cert_chain(self.certificate, self.key)
        return context


class Certificates:
    """Holds the context for the next handshake. Raises `ValueError` when the files cannot be used at the start."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        try:
            self._stamp = files.stamp()
            self.context = files.context()
        except OSError as error:
            raise ValueError(f"TLS certificate {files.certificate}: {error}") from error

    def refresh(self) -> bool:
        """Load changed files; an unusable or half-written pair leaves the old one in use. True if they changed."""
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return False
            self.context = self._files.context()
        except OSError as error:
            log.warning("certificate_reload_failed", file=str(self._files.certificate), reason=str(error))
            return False
        self._stamp = stamp
        log.info("certificate_reloaded", file=str(self._files.certificate))
        return True
