"""MAPI properties as TNEF carries them (MS-OXTNEF 2.1.3.4): names, dropped files, objects, compressed RTF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

LONG_FILENAME, FILENAME, DISPLAY_NAME = 0x3707, 0x3704, 0x3001  # MS-OXCMSG 2.2.2.10, 2.2.2.11
RTF_COMPRESSED = 0x1009
_OBJECT, _STRING, _UNICODE, _BINARY, _MULTIPLE = 0x000D, 0x001E, 0x001F, 0x0102, 0x1000
_FIXED = {
    **dict.fromkeys((0x0002, 0x0003, 0x0004, 0x000A, 0x000B), 4),
    **dict.fromkeys((0x0005, 0x0006, 0x0007, 0x0014, 0x0040), 8),
    0x0048: 16,
    0x0001: 0,
}
_INTERFACE = 16  # an object begins with its interface identifier (MS-OXCDATA 2.11.1.4)
_NAMED = 0x8000


@dataclass(frozen=True, slots=True)
class Property:
    """One value; numbers and times are left out."""

    id: int
    type: int
    octets: bytes

    @property
    def text(self) -> str:
        encoding = "utf-16-le" if self.type == _UNICODE else "cp1252"
        return self.octets.decode(encoding, "replace").split("\0")[0]

    @property
    def content(self) -> bytes:
        """Return the content; of an object, the octets behind its identifier."""
        return self.octets[_INTERFACE:] if self.type == _OBJECT else self.octets


def properties(value: bytes) -> Iterator[Property]:
    """Those with octets. Raises `ValueError` where the list is damaged, after what could be read."""
    try:
        (count,) = struct.unpack_from("<I", value, 0)
        at = 4
        for _ in range(count):
            kind, id = struct.unpack_from("<HH", value, at)
            at += 4
            if id >= _NAMED:
                at = _behind_name(value, at)
            base, several = kind & ~_MULTIPLE, bool(kind & _MULTIPLE)
            if base in _FIXED:
                number, at = (struct.unpack_from("<I", value, at)[0], at + 4) if several else (1, at)
                at += number * _FIXED[base]
            else:
                number, at = struct.unpack_from("<I", value, at)[0], at + 4
                for _ in range(number):
                    (size,) = struct.unpack_from("<I", value, at)
                    octets = value[at + 4 : at + 4 + size]
                    yield Property(id, base, octets)
                    if len(octets) < size:
                        raise ValueError("cut off")
                    at += 4 + -(-size // 4) * 4
    except struct.error as error:
        raise ValueError("cut off") from error


def _behind_name(value: bytes, at: int) -> int:
    """A named property: GUID, then a number or a name in UTF-16, filled up to 4 octets."""
    (kind,) = struct.unpack_from("<I", value, at + 16)
    at += 20
    if kind == 0:
        return at + 4
    (size,) = struct.unpack_from("<I", value, at)
    return int(at + 4 + -(-size // 4) * 4)


_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_WINDOW = 4096
_RTF_HEADER = 16


def decompressed_rtf(octets: bytes, limit: int) -> bytes:
    """Decompress RTF (MS-OXRTFCP 2.2.2): at most `limit` octets; empty for other octets."""
    if octets[8:12] == b"MELA":
        return octets[_RTF_HEADER : _RTF_HEADER + limit]
    if octets[8:12] != b"LZFu":
        return b""
    window = bytearray(_DICTIONARY.ljust(_WINDOW, b"\0"))
    out, write, at = bytearray(), len(_DICTIONARY), _RTF_HEADER
    while at < len(octets) and len(out) < limit:
        flags, at = octets[at], at + 1
        for bit in range(8):
            is_reference = flags >> bit & 1
            token = octets[at : at + 1 + is_reference]
            at += len(token)
            if len(token) <= is_reference:
                return bytes(out)
            offset, length = divmod(int.from_bytes(token, "big"), 16) if is_reference else (write, 1)
            if is_reference and offset == write:
                return bytes(out)  # the end
            for index in range(length + 2 * is_reference):  # octet by octet: the copy may overlap its own output
                octet = window[(offset + index) % _WINDOW] if is_reference else token[0]
                window[write] = octet
                out.append(octet)
                write = (write + 1) % _WINDOW
    return bytes(out[:limit])
