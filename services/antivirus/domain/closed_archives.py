"""Archives of formats that are not opened here: RAR, 7z, CAB ... Their headers tell whether a password is needed."""

from __future__ import annotations

from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.domain.formats import closed_format

_RAR_4, _RAR_5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
_AES_OF_7Z = b"\x06\xf1\x07\x01"  # its method id in 7zFormat.txt; the directory that names it is at the end
_DIRECTORY_REACH = 64 * 1024
_HEADERS = 50  # the first files tell; a bound for hostile ones


def closed_archive_detection(octets: bytes, name: str) -> Detection:
    """Encrypted where its headers say so, otherwise of a format that other engines may open."""
    if octets.startswith(_RAR_4):
        encrypted = _rar_4_is_encrypted(octets)
    elif octets.startswith(_RAR_5):
        encrypted = _rar_5_is_encrypted(octets)
    else:
        encrypted = octets.startswith(_SEVEN_ZIP) and _AES_OF_7Z in octets[-_DIRECTORY_REACH:]
    if encrypted:
        return detection(DetectionKind.ENCRYPTED, name)
    return detection(DetectionKind.CLOSED_ARCHIVE, f"{closed_format(octets)}:", name)


def _rar_4_is_encrypted(octets: bytes) -> bool:
    """Block: checksum (2), type (1), flags (2), size (2), size of what follows (4, if flag 0x8000)."""
    at = len(_RAR_4)
    for _ in range(_HEADERS):
        header = octets[at : at + 11]
        if len(header) < 7:
            return False
        kind, flags = header[2], int.from_bytes(header[3:5], "little")
        if (kind == 0x73 and flags & 0x0080) or (kind == 0x74 and flags & 0x0004):
            return True
        follows = int.from_bytes(header[7:11], "little") if flags & 0x8000 or kind == 0x74 else 0
        at += max(int.from_bytes(header[5:7], "little"), 7) + follows
    return False


def _rar_5_is_encrypted(octets: bytes) -> bool:
    """Block: checksum (4), then numbers of 7 bits an octet: size of the rest, type, flags, sizes of areas."""
    at = len(_RAR_5)
    for _ in range(_HEADERS):
        size, begin = _number(octets, at + 4)
        kind, position = _number(octets, begin)
        flags, position = _number(octets, position)
        extra, position = _number(octets, position) if flags & 1 else (0, position)
        follows, position = _number(octets, position) if flags & 2 else (0, position)
        if kind == 4:  # the archive's encryption header: names are encrypted too
            return True
        if kind in (2, 3) and extra and _has_encryption_record(octets[begin + size - extra : begin + size]):
            return True
        if not size or begin >= len(octets):
            return False
        at = begin + size + follows
    return False


def _has_encryption_record(area: bytes) -> bool:
    """Yield the records of an extra area: size, type (1: encryption), data."""
    at = 0
    for _ in range(_HEADERS):
        size, begin = _number(area, at)
        kind, _ = _number(area, begin)
        if kind == 1:
            return True
        if not size or begin + size >= len(area):
            return False
        at = begin + size
    return False


def _number(octets: bytes, at: int) -> tuple[int, int]:
    """Little end first, 7 bits an octet; at most ten octets. Beyond the end it is 0."""
    value = 0
    for index, octet in enumerate(octets[at : at + 10]):
        value |= (octet & 0x7F) << (7 * index)
        if octet < 0x80:
            return value, at + index + 1
    return value, at + 10
