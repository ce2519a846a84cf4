"""How archives and images of disks are known: by octets at a fixed place, from their specifications.

Those without a form of their own are closed: an engine that opens them should be configured, and their name says what
they are.
"""

from __future__ import annotations

import re

# The first octets, and the name of the format.
CLOSED_BY_START: tuple[tuple[bytes, str], ...] = (
    (b"Rar!\x1a\x07", "RAR"),
    (b"RE~^", "RAR 1.4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"MSCF\0\0\0\0", "CAB"),
    (b"ISc(", "InstallShield CAB"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\x02\x21\x4c\x18", "LZ4 (old)"),
    (b"\xff\x06\0\0sNaPpY", "Snappy"),
    (b"\x89LZO\0\r\n\x1a\n", "lzop"),
    (b"LRZI", "lrzip"),
    (b"\x1f\x9d", "compress"),
    (b"\x1f\xa0", "LZH compress"),
    (b"\x1f\x1e", "pack"),
    (b"\x60\xea", "ARJ"),
    (b"xar!", "xar"),
    (b"EGGA", "EGG"),
    (b"ALZ\x01", "ALZ"),
    (b"ZOO ", "ZOO"),
    (b"SIT!", "StuffIt"),
    (b"StuffIt ", "StuffIt 5"),
    (b"zPQ", "ZPAQ"),
    (b"7kSt", "ZPAQ"),
    (b"ArC\x01", "FreeArc"),
    (b"UHA", "UHARC"),
    (b"\x8e\xad\xe8\x01", "RPM header"),
    (b"MSWIM\0\0\0", "WIM"),
    (b"hsqs", "SquashFS"),
    (b"\x45\x3d\xcd\x28", "cramfs"),
    (b"pbzx", "pbzx"),
    (b"AA01", "Apple Archive"),
    (b"ITSF\x03\0\0\0", "CHM"),
    (b"vhdxfile", "VHDX"),
    (b"conectix", "VHD"),
    (b"KDMV", "VMDK"),
    (b"# Disk DescriptorFile", "VMDK"),
    (b"QFI\xfb", "QCOW"),
    (b"<<< Oracle VM VirtualBox", "VDI"),
    (b"(This file must be converted with BinHex", "BinHex"),
)
# What may stand before a frame of Zstandard or LZ4 (RFC 8878 3.1.2).
_SKIPPABLE_FRAME = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_LZH = re.compile(rb"-(?:lh[0-9a-zA-Z]|lz[2-8s]|pm[0-2s])-")
_AT_PLACE: tuple[tuple[int, tuple[bytes, ...], str], ...] = (
    (7, (b"**ACE**",), "ACE"),
    (20, (b"\xdc\xa7\xc4\xfd",), "ZOO"),
    # ECMA-119 8.1.2, ECMA-167 2/9.1.2: a volume descriptor is at sector 16.
    (0x8001, (b"CD001", b"BEA01", b"NSR02", b"NSR03"), "ISO image"),
    (0x9311, (b"CD001",), "raw CD image"),
)
_TRAILERS: tuple[tuple[bytes, str], ...] = ((b"koly", "DMG"), (b"conectix", "VHD"))
_TRAILER_SIZE = 512
_CLOSED_BY_FIRST_TWO = {
    start[:2]: tuple(row for row in CLOSED_BY_START if row[0][:2] == start[:2]) for start, _ in CLOSED_BY_START
}


def closed_format(octets: bytes) -> str:
    """The name of a format that is not opened here; empty for none."""
    for start, name in _CLOSED_BY_FIRST_TWO.get(octets[:2], ()):
        if octets.startswith(start):
            return name
    for place, marks, name in _AT_PLACE:
        if octets.startswith(marks, place):
            return name
    if _LZH.match(octets, 2):
        return "LZH"
    if _SKIPPABLE_FRAME.match(octets):
        return "Zstandard"
    trailer = len(octets) - _TRAILER_SIZE
    return next((name for mark, name in _TRAILERS if trailer >= 0 and octets.startswith(mark, trailer)), "")


_TAR_CHECKSUM = re.compile(rb"[0-7 \0]{8}")


def is_tar(octets: bytes) -> bool:
    """POSIX and GNU archives say so; one of the old format is known by the checksum of its first header."""
    if octets[257:262] == b"ustar":
        return True
    if len(octets) < 512 or not octets[0] or not _TAR_CHECKSUM.match(octets, 148):
        return False
    digits = octets[148:156].strip(b" \0")
    return bool(digits) and int(digits, 8) == sum(octets[:148]) + 8 * 32 + sum(octets[156:512])


def is_lzma(octets: bytes) -> bool:
    """The format of before xz has no mark: the usual properties, the size of a dictionary, a size or none."""
    if octets[:1] != b"\x5d" or len(octets) < 14:
        return False
    dictionary, size = int.from_bytes(octets[1:5], "little"), int.from_bytes(octets[5:13], "little")
    highest = 1 << (dictionary.bit_length() - 1) if dictionary else 0
    plausible = dictionary >= 4096 and dictionary - highest in (0, highest >> 1)
    return plausible and (size < 1 << 38 or size == (1 << 64) - 1)
