"""Files of many formats, made by code as their specifications say."""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
from collections.abc import Mapping

_TAR = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT, "v7": tarfile.USTAR_FORMAT}


def tar(octets: bytes, form: str, *, name: str = "a.txt") -> bytes:
    """One member; `form` is gnu, pax, ustar or v7."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=_TAR[form]) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(octets)
        archive.addfile(entry, io.BytesIO(octets))
    made = out.getvalue()
    return _without_ustar(made) if form == "v7" else made


def _without_ustar(made: bytes) -> bytes:
    header = bytearray(made[:512])
    header[257:512] = b"\0" * 255
    return _summed(header) + made[512:]


def _summed(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def tar_with_two_sizes(octets: bytes) -> bytes:
    """The header calls the file empty; the extended header before it does not."""
    record = b"size=%d\n" % len(octets)
    record = b"%d %b" % (len(record) + 3, record)
    return _member(b"x", "pax", record) + _member(b"0", "a", b"", claimed=0) + octets.ljust(1024, b"\0")


def _member(kind: bytes, name: str, octets: bytes, *, claimed: int | None = None) -> bytes:
    header = bytearray(512)
    header[: len(name)] = name.encode()
    size = len(octets) if claimed is None else claimed
    header[100:124] = b"0000644\0" + b"0000000\0" * 2
    header[124:136] = b"%011o\0" % size
    header[136:148] = b"00000000000\0"
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    return _summed(header) + octets.ljust(-(-len(octets) // 512) * 512, b"\0")


def lzip(octets: bytes) -> bytes:
    """One member with a dictionary of 64 KiB."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 65536, "lc": 3, "lp": 0, "pb": 2}]
    stream = lzma.compress(octets, lzma.FORMAT_ALONE, filters=filters)[13:]
    return b"LZIP\x01\x10" + stream + struct.pack("<IQQ", 0, len(octets), 6 + len(stream) + 20)


def ar(files: Mapping[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, octets in files.items():
        out += b"%-16b%-12d%-6d%-6d%-8d%-10d`\n" % (name.encode(), 0, 0, 0, 100644, len(octets))
        out += octets + b"\n" * (len(octets) & 1)
    return out


def cpio(files: Mapping[str, bytes]) -> bytes:
    """The "newc" format."""
    out = b""
    for name, octets in {**files, "TRAILER!!!": b""}.items():
        fields = (0, 0o100644, 0, 0, 1, 0, len(octets), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + octets
        out += b"\0" * (-len(out) % 4)
    return out


def old_cpio(files: Mapping[str, bytes]) -> bytes:
    """The "odc" format of POSIX.1."""
    out = b""
    for name, octets in {**files, "TRAILER!!!": b""}.items():
        out += b"070707" + b"000000" * 7 + b"00000000000" + b"%06o%011o" % (len(name) + 1, len(octets))
        out += name.encode() + b"\0" + octets
    return out


def rpm(payload: bytes) -> bytes:
    """Lead, signature and header without entries worth a word, payload."""
    signature = b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", 1, 5) + b"\0" * 16 + b"sum\0\0"
    header = b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", 2, 3) + b"\0" * 32 + b"ab\0"
    lead = b"\xed\xab\xee\xdb\x03\0".ljust(96, b"\0")
    return lead + signature + b"\0" * (-len(lead + signature) % 8) + header + payload


def pdf(stream: bytes, filters: bytes, *, more: bytes = b"") -> bytes:
    """One object with a stream."""
    named = b"/Filter " + filters if filters else b""
    head = b"%%PDF-1.7\n1 0 obj\n<</Length %d %b>>\nstream\n" % (len(stream), named)
    return head + stream + b"\nendstream\nendobj\n" + more + b"\ntrailer <</Root 2 0 R>>\n%%EOF\n"


def ascii85(octets: bytes) -> bytes:
    padded = octets + b"\0" * (-len(octets) % 4)
    out = b""
    for (number,) in struct.iter_unpack(">I", padded):
        digits = [number // 85**power % 85 for power in range(4, -1, -1)]
        out += bytes(digit + 33 for digit in digits)
    return (out[: len(out) - (-len(octets) % 4)] if len(octets) % 4 else out) + b"~>"


def lzw(octets: bytes) -> bytes:
    """Codes from 9 to 12 bits, as PDF has them: the width grows one code early."""
    table = {bytes([code]): code for code in range(256)}
    codes, width, held, bits, out, word = [256], 9, 0, 0, bytearray(), b""
    widths = [9]
    size = 258
    for octet in octets:
        longer = word + bytes([octet])
        if longer in table:
            word = longer
            continue
        codes.append(table[word])
        widths.append(width)
        if size < 4095:
            table[longer] = size
            size += 1
            width = 9 if size < 511 else 10 if size < 1023 else 11 if size < 2047 else 12
        word = bytes([octet])
    codes += [table[word], 257]
    widths += [width, width]
    for code, bits_of_code in zip(codes, widths, strict=True):
        bits, held = bits << bits_of_code | code, held + bits_of_code
        while held >= 8:
            held -= 8
            out.append(bits >> held & 255)
            bits &= (1 << held) - 1
    return bytes(out) + bytes([bits << (8 - held) & 255])


def rtf(octets: bytes, *, between: bytes = b"") -> bytes:
    """An object of class Package in hexadecimal (MS-OLEDS 2.2.5)."""
    label = b"a.txt\0"
    file = b"\x02\0" + label + b"C:\\a.txt\0" + b"\0\0\x03\0" + struct.pack("<I", 9) + b"C:\\a.txt\0"
    file += struct.pack("<I", len(octets)) + octets
    value = (
        b"\x01\x05\0\0\x02\0\0\0"
        + struct.pack("<I", 8)
        + b"Package\0"
        + b"\0" * 8
        + struct.pack("<I", len(file))
        + file
    )
    digits = value.hex().encode()
    written = between.join(digits[at : at + 7] for at in range(0, len(digits), 7))
    return b"{\\rtf1{\\object\\objemb{\\*\\objclass Package}{\\*\\objdata " + written + b"}}}"


def onenote(octets: bytes) -> bytes:
    section = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + b"\0" * 200
    file = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac") + struct.pack("<Q", len(octets)) + b"\0" * 12
    return section + file + octets + b"\0" * 16


def tnef_object(octets: bytes) -> bytes:
    """An attachment whose file stands in its MAPI properties (MS-OXTNEF 2.1.3.4)."""
    value = b"\x0b\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\x46" + octets
    return _tnef((0x00069002, b"\0" * 14), (0x00069005, _properties((0x000D, 0x3701, value))))


def tnef_rtf(rtf: bytes) -> bytes:
    """A body in RTF, stored without compression."""
    stored = struct.pack("<II", len(rtf) + 12, len(rtf)) + b"MELA\0\0\0\0" + rtf
    return _tnef((0x00069003, _properties((0x0102, 0x1009, stored))))


def tnef_named(short: str, *, long: str) -> bytes:
    names = _properties((0x001F, 0x3707, long.encode("utf-16-le") + b"\0\0"))
    return _tnef(
        (0x00069002, b"\0" * 14), (0x00018010, short.encode() + b"\0"), (0x0006800F, b"x"), (0x00069005, names)
    )


def _properties(*listed: tuple[int, int, bytes]) -> bytes:
    """A number, a named property and those of `listed` (type, id, octets)."""
    out = struct.pack("<I", 2 + len(listed)) + struct.pack("<HHI", 0x0003, 0x3705, 1)
    out += struct.pack("<HH", 0x0003, 0x8001) + b"\0" * 16 + struct.pack("<II", 0, 7) + struct.pack("<I", 1)
    for kind, id, value in listed:
        out += struct.pack("<HHII", kind, id, 1, len(value)) + value + b"\0" * (-len(value) % 4)
    return out


def _tnef(*attributes: tuple[int, bytes]) -> bytes:
    out = struct.pack("<IH", 0x223E9F78, 1)
    for id, value in attributes:
        out += struct.pack("<BII", 2, id, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)
    return out
