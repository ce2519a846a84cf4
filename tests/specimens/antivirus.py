"""Hostile mail and archives, made by code: no file here is what it is about."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import quopri
import struct
import tarfile
import zipfile
import zlib
from binascii import b2a_uu
from collections.abc import Callable, Mapping

# In two pieces, so that no scanner of disks takes this file for one.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def a_message(
    body: bytes = b"Hello, here is the report.\r\n",
    *,
    attachments: Mapping[str, bytes] | None = None,
    type: str = "application/octet-stream",
) -> bytes:
    """multipart/mixed with a text and the attachments (name to octets) in base64."""
    parts = [b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body]
    parts += [a_part(octets, name=name, type=type) for name, octets in (attachments or {}).items()]
    return multipart(*parts)


def multipart(*parts: bytes) -> bytes:
    """A whole message of these parts, each with its own header block."""
    inner = b"".join(b"--limit\r\n%b\r\n" % part for part in parts)
    return HEADERS + b'Content-Type: multipart/mixed; boundary="limit"\r\n\r\n%b--limit--\r\n' % inner


HEADERS = (
    b"Received: from client.example (client.example [192.0.2.1]) by mx.example.org; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"From: Marie <marie@example.com>\r\nTo: jean.toto@example.org\r\nSubject: Report\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)


def a_part(octets: bytes, *, name: str, type: str = "application/octet-stream", encoding: str = "base64") -> bytes:
    """One attachment; encoding is a Content-Transfer-Encoding."""
    head = f'Content-Type: {type}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n'
    return head.encode() + b"Content-Transfer-Encoding: %b\r\n\r\n" % encoding.encode() + encoded(octets, encoding)


def encoded(octets: bytes, encoding: str) -> bytes:
    """In a Content-Transfer-Encoding, with CRLF."""
    match encoding:
        case "base64":
            return base64.encodebytes(octets).replace(b"\n", b"\r\n")
        case "quoted-printable":
            return quopri.encodestring(octets).replace(b"\n", b"\r\n")
        case "x-uuencode":
            return uuencoded(octets, "file")
        case _:
            return octets


def uuencoded(octets: bytes, name: str) -> bytes:
    """From `begin` to `end`."""
    lines = b"".join(b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45))
    return b"begin 644 %b\n%b`\nend\n" % (name.encode(), lines)


def zipped(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
    return out.getvalue()


def encrypted_zip(name: str) -> bytes:
    """A zip whose only file says that it needs a password (the octets behind it are noise)."""
    archive = bytearray(zipped({name: b"noise" * 20}))
    archive[6] |= 1  # general purpose flags of the local header, then of the directory
    archive[archive.find(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


def hidden_in_zip(octets: bytes) -> bytes:
    """A zip with a file that its directory does not list."""
    shown, hidden = zipped({"shown.txt": b"nothing"}), zipped({"hidden.com": octets})
    local = hidden[: hidden.find(b"PK\x01\x02")]
    return local + shown


def tarred(files: Mapping[str, bytes], *, mode: str = "") -> bytes:
    """A tar; mode is "", "gz", "bz2" or "xz"."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{mode}") as archive:  # type: ignore[call-overload]
        for name, octets in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(octets)
            archive.addfile(entry, io.BytesIO(octets))
    return out.getvalue()


def compressed(octets: bytes, form: str) -> bytes:
    """gz, bz2 or xz."""
    compressors: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    return compressors[form](octets)


def tnef(octets: bytes, name: str, *more: bytes) -> bytes:
    """winmail.dat with one attachment (MS-OXTNEF), which may wrongly have several contents."""
    contents = [(2, 0x0006800F, content) for content in (octets, *more)]
    attributes = [(2, 0x00069002, b"\0" * 14), *contents, (2, 0x00018010, name.encode() + b"\0")]
    out = struct.pack("<IH", 0x223E9F78, 1)
    for level, id, value in attributes:
        out += struct.pack("<BII", level, id, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)
    return out


def nested_zip(octets: bytes, levels: int) -> bytes:
    """A zip in a zip in a zip."""
    for level in range(levels):
        octets = zipped({f"level{level}.zip": octets})
    return octets


def zeros_zip(size: int) -> bytes:
    """`size` zeros, packed about a thousand times smaller: one packed MiB as often as needed."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = deflate.compress(b"\0" * 2**20) + deflate.flush(zlib.Z_FULL_FLUSH)
    packed = piece * (size // 2**20) + deflate.flush()
    name = b"zeros"
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0)
    local = b"PK\x03\x04" + fields + name + packed
    directory = b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + directory + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(directory), len(local), 0)


def overlapping_zip(entries: int, *, size: int) -> bytes:
    """Every entry of the directory points to the same packed zeros: little octets, endless files."""
    one = zeros_zip(size)
    start = one.find(b"PK\x01\x02")
    entry = one[start : one.rfind(b"PK\x05\x06")]
    end = b"PK\x05\x06" + struct.pack(
        "<HHHHIIH", 0, 0, entries & 0xFFFF, entries & 0xFFFF, len(entry) * entries, start, 0
    )
    return one[:start] + entry * entries + end


def endless_gzip() -> bytes:
    """A gzip in a gzip, 60 levels: to a reader with a depth the same as one that holds itself."""
    octets = b"again"
    for _ in range(60):
        octets = gzip.compress(octets)
    return octets


def streamed_zip(files: Mapping[str, bytes]) -> bytes:
    """A zip whose local headers do not know the sizes (flag bit 3), as programs write it into a pipe."""
    out = io.BytesIO()
    with zipfile.ZipFile(_Pipe(out), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
    return out.getvalue()


def zip64(files: Mapping[str, bytes]) -> bytes:
    """A zip whose local headers have their sizes in the extra field of zip64 (APPNOTE.TXT 4.5.3)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(octets)
    return out.getvalue()


class _Pipe(io.RawIOBase):
    """Can be written to, and nothing else."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def writable(self) -> bool:
        return True

    def write(self, octets: object) -> int:
        return self._out.write(octets)  # type: ignore[arg-type]


def program(size: int = 256) -> bytes:
    """What starts like a Windows program and does nothing."""
    return b"MZ\x90\0\x03\0\0\0" + b"\0" * (size - 8)


def ole(*marks: str) -> bytes:
    """A compound file with these names in its directory."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + b"".join(mark.encode("utf-16-le") for mark in marks)


def deep_mime(levels: int) -> bytes:
    """multipart in multipart in multipart."""
    heads = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(levels)
    )
    return HEADERS + heads + b"Content-Type: text/plain\r\n\r\nHello.\r\n"
