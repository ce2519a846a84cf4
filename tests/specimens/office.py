"""Office documents with macros and links, made by code and without a line that does anything."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from tests.specimens.antivirus import zipped

_SECTOR, _MINI_SECTOR, _CUTOFF = 512, 64, 4096
_END, _FAT, _FREE = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF

AUTO_OPEN = b'Attribute VB_Name = "Module1"\r\nSub AutoOpen()\r\n  MsgBox "hello"\r\nEnd Sub\r\n'
BY_HAND = b'Attribute VB_Name = "Module1"\r\nSub Total()\r\n  MsgBox "hello"\r\nEnd Sub\r\n'


def compound_file(streams: Mapping[str, bytes]) -> bytes:
    """A compound file (MS-CFB, version 3) with these streams beside its root; short ones in the mini stream."""
    sectors: list[bytes] = []
    fat: list[int] = []

    def stored(octets: bytes) -> int:
        first, count = len(sectors), max(-(-len(octets) // _SECTOR), 1)
        sectors.extend(octets[n * _SECTOR : (n + 1) * _SECTOR].ljust(_SECTOR, b"\0") for n in range(count))
        fat.extend([*range(first + 1, first + count), _END])
        return first

    mini_stream, mini_fat = b"", list[int]()
    entries = []
    for index, (name, octets) in enumerate(streams.items(), 1):
        following = index + 1 if index < len(streams) else _FREE  # a tree that is a list
        if len(octets) >= _CUTOFF:
            entries.append(_entry(name, 2, stored(octets), len(octets), right=following))
            continue
        first, count = len(mini_fat), -(-len(octets) // _MINI_SECTOR)
        mini_stream += octets.ljust(count * _MINI_SECTOR, b"\0")
        mini_fat += [*range(first + 1, first + count), _END]
        entries.append(_entry(name, 2, first, len(octets), right=following))
    root = _entry("Root Entry", 5, stored(mini_stream), len(mini_stream), child=1)
    directory = stored(b"".join([root, *entries]))
    mini_fat_at = stored(struct.pack(f"<{len(mini_fat)}I", *mini_fat))
    fat_sectors = -(-(len(fat) + 8) // 128)
    fat_at = len(sectors)
    fat += [_FAT] * fat_sectors
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(fat_sectors * _SECTOR, b"\xff")
    numbers = [*range(fat_at, fat_at + fat_sectors)]
    difat = struct.pack("<109I", *numbers, *[_FREE] * (109 - fat_sectors))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    head += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIIIII", 0, fat_sectors, directory, 0, _CUTOFF, mini_fat_at, 1, _END, 0)
    return head + difat + b"".join(sectors) + table


def _entry(name: str, kind: int, first: int, size: int, *, right: int = _FREE, child: int = _FREE) -> bytes:
    encoded = name.encode("utf-16-le")
    named = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded) + 2, kind, 1)
    return named + struct.pack("<III", _FREE, right, child) + b"\0" * 36 + struct.pack("<IQ", first, size)


def vba_compressed(source: bytes) -> bytes:
    """MS-OVBA 2.4.1, with literals alone."""
    chunks = b""
    for start in range(0, len(source), 3000):
        piece = source[start : start + 3000]
        tokens = b"".join(b"\0" + piece[at : at + 8] for at in range(0, len(piece), 8))
        chunks += struct.pack("<H", 0xB000 | (len(tokens) + 2 - 3)) + tokens
    return b"\x01" + chunks


def vba_project(source: bytes, *, names: bytes = b"Total") -> bytes:
    """vbaProject.bin with one module; `names` stand in the compiled project."""
    module = b"\x01\x16\x03\0compiled" + vba_compressed(source)
    return compound_file({"_VBA_PROJECT": b"\xcc\x61\xff\xff" + names, "dir": b"\x01", "Module1": module})


def old_word(source: bytes) -> bytes:
    """A .doc with macros."""
    return compound_file(
        {
            "WordDocument": b"\xec\xa5\xc1\0" + b"\0" * 500,
            "_VBA_PROJECT": b"\xcc\x61\xff\xff",
            "Module1": b"\0" * 9 + vba_compressed(source),
        }
    )


def old_excel(*records: tuple[int, bytes]) -> bytes:
    """A .xls whose common part holds these records (number, value)."""
    begin, end = (0x0809, b"\0\x06\x05\0" + b"\0" * 12), (0x000A, b"")
    stream = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in (begin, *records, end))
    return compound_file({"Workbook": stream})


MACRO_SHEET = (0x0085, struct.pack("<IBBBB", 0, 1, 1, 5, 0) + b"Macro")
AUTO_OPEN_NAME = (0x0018, struct.pack("<HBBHHHBBBB", 0x20, 0, 1, 5, 0, 1, 0, 0, 0, 0) + b"\0\x01")
PASSWORD = (0x002F, b"\x01\0\x01\0")


def word(parts: Mapping[str, bytes] | None = None) -> bytes:
    """A .docx with these parts more."""
    return zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w:document/>", **(parts or {})})


def relationship(kind: str, target: str) -> bytes:
    """A part of relationships with one that is external."""
    schema = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    link = f'<Relationship Id="rId1" Type="{schema}/{kind}" Target="{target}" TargetMode="External"/>'
    return f'<?xml version="1.0"?><Relationships>{link}</Relationships>'.encode()


def field(*runs: str) -> bytes:
    """A Word document with a field whose instruction is in several runs."""
    return b"<w:document>" + b"".join(f"<w:instrText>{run}</w:instrText>".encode() for run in runs) + b"</w:document>"


def dropped(octets: bytes, name: str) -> bytes:
    """A document with a file dropped into it (MS-OLEDS 2.3.6)."""
    label, path = name.encode("cp1252"), b"C:\\" + name.encode("cp1252")
    native = b"\x02\0" + label + b"\0" + path + b"\0" + b"\0\0\x03\0" + struct.pack("<I", len(path) + 1) + path + b"\0"
    native += struct.pack("<I", len(octets)) + octets
    return compound_file(
        {"WordDocument": b"\xec\xa5" + b"\0" * 20, "\x01Ole10Native": struct.pack("<I", len(native)) + native}
    )
