"""tar (POSIX ustar, GNU, old): a row of 512-octet headers, each followed by its file."""

from __future__ import annotations

from collections.abc import Iterator

from services.antivirus.domain.budget import Budget
from services.antivirus.domain.content import Content
from services.antivirus.domain.sightings import Kind, Sighting, sighting

_BLOCK = 512


def open_tar(content: Content, budget: Budget) -> Iterator[Content | Sighting]:
    """Every entry that has octets, whatever its type says."""
    octets, position = content.octets, 0
    while position + _BLOCK <= len(octets):
        header = octets[position : position + _BLOCK]
        position += _BLOCK
        if not header.strip(b"\0"):
            continue  # two such blocks end an archive, but what stands behind them can be unpacked too (tar -i)
        budget.entry()
        size = _number(header[124:136])
        if size is None or not _checksum_fits(header):
            yield sighting(Kind.UNREADABLE_ARCHIVE, "damaged tar:", content.name)
            return
        budget.grown(min(size, len(octets) - position), total=0, packed=0)
        if size:
            yield Content(octets[position : position + size], header[:100].split(b"\0")[0].decode("utf-8", "replace"))
        position += -(-size // _BLOCK) * _BLOCK


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
