"""Office documents: macros and passwords, by marks that are cheap to find."""

from __future__ import annotations

# MS-OVBA 2.2.1: every VBA project holds this stream; names in a directory are UTF-16 (MS-CFB 2.6.1).
_VBA = "_VBA_PROJECT".encode("utf-16-le")
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO 2.3.4.4

_MACRO_ENTRY_ENDS = ("vbaproject.bin", "vbadata.xml", "basic/script-lc.xml")  # OOXML, OOXML, OpenDocument
_EXCEL_4_SHEETS = "/macrosheets/"


def ole_has_macros(octets: bytes) -> bool:
    """Of a compound file: whether it holds a VBA project."""
    return _VBA in octets


def ole_is_encrypted(octets: bytes) -> bool:
    """Of a compound file: whether it is an OOXML document behind a password."""
    return _ENCRYPTED_PACKAGE in octets


def is_macro_entry(name: str) -> bool:
    """Whether an archive with an entry of this name is an office document with macros."""
    lower = name.replace("\\", "/").lower()
    return lower.endswith(_MACRO_ENTRY_ENDS) or _EXCEL_4_SHEETS in lower
