"""File formats by their first octets (magic numbers): names and declared types come from the sender."""

from __future__ import annotations

import re
from enum import Enum, auto

from libs.mail.recognition import message_in
from services.antivirus.domain.formats import closed_format, is_lzma, is_tar


class FileFormat(Enum):
    """The file formats that matter to a scanner."""

    OTHER = auto()
    MAIL = auto()
    ZIP = auto()
    TAR = auto()
    GZIP = auto()
    BZIP2 = auto()
    XZ = auto()
    LZMA = auto()
    LZIP = auto()
    AR = auto()  # .deb, static libraries
    CPIO = auto()
    RPM = auto()
    TNEF = auto()
    UUENCODED = auto()
    OLE = auto()  # Compound File Binary: Word, Excel, PowerPoint before 2007, Outlook's .msg, .msi
    PDF = auto()
    RTF = auto()
    ONENOTE = auto()
    CLOSED_ARCHIVE = auto()  # archives that need another engine, such as ClamAV
    EXECUTABLE = auto()


# Formats with contents, in the order of the enumeration.
CONTAINERS = frozenset(set(FileFormat) - {FileFormat.OTHER, FileFormat.CLOSED_ARCHIVE, FileFormat.EXECUTABLE})

_BY_START: tuple[tuple[bytes, FileFormat], ...] = (
    (b"PK\x03\x04", FileFormat.ZIP),
    (b"PK\x05\x06", FileFormat.ZIP),
    (b"PK00PK\x03\x04", FileFormat.ZIP),  # WinZip's marker of an archive that was to be split
    (b"\x1f\x8b", FileFormat.GZIP),
    (b"BZh", FileFormat.BZIP2),
    (b"\xfd7zXZ\0", FileFormat.XZ),
    (b"\x78\x9f\x3e\x22", FileFormat.TNEF),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileFormat.OLE),
    (b"LZIP", FileFormat.LZIP),
    (b"!<arch>\n", FileFormat.AR),
    (b"070701", FileFormat.CPIO),
    (b"070702", FileFormat.CPIO),
    (b"070707", FileFormat.CPIO),
    (b"\xed\xab\xee\xdb", FileFormat.RPM),
    (b"{\\rt", FileFormat.RTF),  # Word opens it without the f and the version
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", FileFormat.ONENOTE),  # MS-ONESTORE 2.3.1
    (b"MZ", FileFormat.EXECUTABLE),
    (b"\x7fELF", FileFormat.EXECUTABLE),
    (b"\xcf\xfa\xed\xfe", FileFormat.EXECUTABLE),  # Mach-O, 64 and 32 bits
    (b"\xce\xfa\xed\xfe", FileFormat.EXECUTABLE),
    (b"L\0\0\0\x01\x14\x02\0", FileFormat.EXECUTABLE),  # a Windows shortcut runs its target
)
_BY_FIRST_TWO = {start[:2]: [row for row in _BY_START if row[0][:2] == start[:2]] for start, _ in _BY_START}

_UU = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ", re.MULTILINE)
_END_OF_ZIP = b"PK\x05\x06"
_END_OF_ZIP_REACH = 65_557  # its own 22 octets and the longest comment
_PE_MIN = 64
_PDF = re.compile(rb"%PDF-|%!PS-Adobe-[0-9.]+ PDF-")
_PDF_REACH = 1024 + 24  # readers look for the mark in the first kilobyte (ISO 32000-1, Annex H)


def file_format_of(octets: bytes) -> FileFormat:
    """Return the format of these octets. A self-extracting archive is an archive."""
    if (form := _by_start(octets)) is not FileFormat.OTHER:
        return FileFormat.ZIP if form is FileFormat.EXECUTABLE and _ends_as_zip(octets) else form
    if is_tar(octets):
        return FileFormat.TAR
    if is_lzma(octets):
        return FileFormat.LZMA
    if closed_format(octets):
        return FileFormat.CLOSED_ARCHIVE
    if _ends_as_zip(octets):
        return FileFormat.ZIP
    if _PDF.search(octets, 0, _PDF_REACH):
        return FileFormat.PDF
    if message_in(octets) is not None:
        return FileFormat.MAIL  # also one in whose text a file stands uuencoded: it is looked for in each part
    return FileFormat.UUENCODED if holds_uuencoded(octets) else FileFormat.OTHER


def holds_uuencoded(octets: bytes) -> bool:
    """Whether a file seems to stand in a text."""
    return (b"begin" in octets and _UU.search(octets) is not None) or b"=ybegin " in octets


def is_executable(octets: bytes) -> bool:
    """Whether an operating system runs these octets as they are."""
    return _by_start(octets) is FileFormat.EXECUTABLE


def _by_start(octets: bytes) -> FileFormat:
    for start, form in _BY_FIRST_TWO.get(octets[:2], ()):
        if octets.startswith(start):
            return FileFormat.OTHER if start == b"MZ" and len(octets) < _PE_MIN else form
    return FileFormat.OTHER


def _ends_as_zip(octets: bytes) -> bool:
    return octets.find(_END_OF_ZIP, max(0, len(octets) - _END_OF_ZIP_REACH)) >= 0
