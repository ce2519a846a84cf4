"""tar (POSIX pax and ustar, GNU, Unix version 7): a row of 512-octet headers, each followed by its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection

_BLOCK = 512
_PAX, _PAX_FOR_ALL, _GNU_NAME = b"x", b"g", b"L"
# A name beyond what a file system takes is cut, so that a header of megabytes costs nothing.
_MAX_NAME = 4096


@dataclass(slots=True)
class _Extended:
    """What headers of their own say of the file behind them (pax: POSIX.1-2001; GNU: a longer name)."""

    name: str = ""
    size: int | None = None

    def read(self, kind: bytes, value: bytes) -> None:
        if kind == _GNU_NAME:
            self.name = _text(value)
            return
        for key, text in _pax_records(value):
            if key == b"path":
                self.name = _text(text)
            elif key == b"size" and text.isdigit():
                self.size = int(text[:20])


def open_tar(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Yield every entry with octets, of any type, under its longest name."""
    octets, position, extended = content.octets, 0, _Extended()
    while position + _BLOCK <= len(octets):
        header = octets[position : position + _BLOCK]
        position += _BLOCK
        if not header.strip(b"\0"):
            continue  # two such blocks end an archive, but what stands behind them can be unpacked too (tar -i)
        budget.entry()
        size = _number(header[124:136])
        if size is None or not _checksum_fits(header):
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged tar:", content.name)
            return
        if extended.size not in (None, size):
            # Old readers take the one and new ones the other: both are looked at, and the file is said to be odd.
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "two sizes in tar:", content.name)
            yield ScanContent(octets[position : position + size], extended.name or _name(header))
            size = extended.size or 0
        budget.grown(min(size, len(octets) - position), total=0, packed=0)
        value, kind = octets[position : position + size], header[156:157]
        if value or extended.name:
            yield ScanContent(value, extended.name or _name(header))
        if kind in (_PAX, _PAX_FOR_ALL, _GNU_NAME):
            extended.read(kind, value)
        else:
            extended = _Extended()
        position += -(-size // _BLOCK) * _BLOCK


def _name(header: bytes) -> str:
    """POSIX puts what does not fit into 100 octets into a prefix of 155."""
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(name: bytes) -> str:
    return name.split(b"\0")[0][-_MAX_NAME:].decode("utf-8", "replace")


def _pax_records(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """`LENGTH KEY=VALUE LF`, where the length counts the whole record."""
    at = 0
    while at < len(value):
        digits, space, _ = value[at : at + 20].partition(b" ")
        if not space or not digits.isdigit() or int(digits) <= len(digits) + 1:
            return
        key, _, text = value[at + len(digits) + 1 : at + int(digits)].rstrip(b"\n").partition(b"=")
        yield key, text
        at += int(digits)


def _number(field: bytes) -> int | None:
    """Octal digits, or base 256 where the first bit is set (GNU, for large files)."""
    if field[:1] >= b"\x80":
        return int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else None
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return None


def _checksum_fits(header: bytes) -> bool:
    """The sum of the header's octets, with spaces in place of the sum itself."""
    return _number(header[148:156]) == sum(header[:148]) + 8 * 32 + sum(header[156:])
