"""What octets are, by their first bytes ("magic"): names and declared types are the sender's word."""

from __future__ import annotations

import re
from enum import Enum, auto

from libs.mail.recognition import message_in


class Form(Enum):
    """The forms that matter to a scanner."""

    OTHER = auto()
    MAIL = auto()
    ZIP = auto()
    TAR = auto()
    GZIP = auto()
    BZIP2 = auto()
    XZ = auto()
    TNEF = auto()
    UUENCODED = auto()
    OLE = auto()  # Compound File Binary: Word, Excel, PowerPoint before 2007, Outlook's .msg, .msi
    CLOSED_ARCHIVE = auto()  # archives that we cannot open: an engine that can should be configured
    EXECUTABLE = auto()


# Forms with something inside, in the order of the enumeration.
CONTAINERS = frozenset(
    {Form.MAIL, Form.ZIP, Form.TAR, Form.GZIP, Form.BZIP2, Form.XZ, Form.TNEF, Form.UUENCODED, Form.OLE}
)

_BY_START: tuple[tuple[bytes, Form], ...] = (
    (b"PK\x03\x04", Form.ZIP),
    (b"PK\x05\x06", Form.ZIP),
    (b"PK00PK\x03\x04", Form.ZIP),  # WinZip's marker of an archive that was to be split
    (b"\x1f\x8b", Form.GZIP),
    (b"BZh", Form.BZIP2),
    (b"\xfd7zXZ\0", Form.XZ),
    (b"\x78\x9f\x3e\x22", Form.TNEF),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Form.OLE),
    (b"Rar!\x1a\x07", Form.CLOSED_ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", Form.CLOSED_ARCHIVE),
    (b"MSCF\0\0\0\0", Form.CLOSED_ARCHIVE),
    (b"\x28\xb5\x2f\xfd", Form.CLOSED_ARCHIVE),  # Zstandard
    (b"\x1f\x9d", Form.CLOSED_ARCHIVE),  # compress
    (b"\x60\xea", Form.CLOSED_ARCHIVE),  # ARJ
    (b"MZ", Form.EXECUTABLE),
    (b"\x7fELF", Form.EXECUTABLE),
    (b"\xcf\xfa\xed\xfe", Form.EXECUTABLE),  # Mach-O, 64 and 32 bits
    (b"\xce\xfa\xed\xfe", Form.EXECUTABLE),
    (b"L\0\0\0\x01\x14\x02\0", Form.EXECUTABLE),  # a Windows shortcut runs what it names
)
_BY_FIRST_TWO = {start[:2]: [row for row in _BY_START if row[0][:2] == start[:2]] for start, _ in _BY_START}

_UU = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ", re.MULTILINE)
_END_OF_ZIP = b"PK\x05\x06"
_END_OF_ZIP_REACH = 65_557  # its own 22 octets and the longest comment
_PE_MIN = 64


def form_of(octets: bytes) -> Form:
    """What these octets are. An archive behind something else (a self-extracting one) is still an archive."""
    if (form := _by_start(octets)) is not Form.OTHER:
        return Form.ZIP if form is Form.EXECUTABLE and _ends_as_zip(octets) else form
    if octets[257:262] == b"ustar":
        return Form.TAR
    if _ends_as_zip(octets):
        return Form.ZIP
    if message_in(octets) is not None:
        return Form.MAIL  # also one in whose text a file stands uuencoded: it is looked for in each part
    return Form.UUENCODED if holds_uuencoded(octets) else Form.OTHER


def holds_uuencoded(octets: bytes) -> bool:
    """Whether a file seems to stand in a text."""
    return b"begin" in octets and _UU.search(octets) is not None


def is_executable(octets: bytes) -> bool:
    """Whether a system would run them as they stand, whatever else they are."""
    return _by_start(octets) is Form.EXECUTABLE


def _by_start(octets: bytes) -> Form:
    for start, form in _BY_FIRST_TWO.get(octets[:2], ()):
        if octets.startswith(start):
            return Form.OTHER if start == b"MZ" and len(octets) < _PE_MIN else form
    return Form.OTHER


def _ends_as_zip(octets: bytes) -> bool:
    return octets.find(_END_OF_ZIP, max(0, len(octets) - _END_OF_ZIP_REACH)) >= 0
