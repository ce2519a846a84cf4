"""One compressed file without a table of contents: gzip (RFC 1952), bzip2, xz."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator

from services.antivirus.domain.budget import Budget
from services.antivirus.domain.containers.inflating import MEMORY_LIMIT, Buffered, Decompressor, Inflater, expand
from services.antivirus.domain.content import Content
from services.antivirus.domain.sightings import Kind, Sighting, sighting

_SHORTER = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar"}


def open_gzip(content: Content, budget: Budget) -> Iterator[Content | Sighting]:
    """All members as one file, as gunzip gives them."""
    return _streams(content, budget, lambda: Inflater(31))


def open_bzip2(content: Content, budget: Budget) -> Iterator[Content | Sighting]:
    return _streams(content, budget, lambda: Buffered(bz2.BZ2Decompressor()))


def open_xz(content: Content, budget: Budget) -> Iterator[Content | Sighting]:
    return _streams(content, budget, lambda: Buffered(lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_LIMIT)))


def _streams(content: Content, budget: Budget, begin: Callable[[], Decompressor]) -> Iterator[Content | Sighting]:
    octets, end = content.octets, len(content.octets)
    pieces: list[bytes] = []
    position, magic = 0, octets[:2]
    # What follows the last stream is padding or junk, which all unpackers forgive.
    while octets.startswith(magic, position):
        budget.entry()
        stream = expand(begin(), octets, position, end, budget)
        pieces.append(stream.octets)
        position = stream.end
        if not stream.whole:
            yield sighting(Kind.UNREADABLE_ARCHIVE, "damaged:", content.name or "compressed file")
            break
    yield Content(b"".join(pieces), _inner_name(content.name))


def _inner_name(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return stem + _SHORTER.get(dot + extension.lower(), "")
