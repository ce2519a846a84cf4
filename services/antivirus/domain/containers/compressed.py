"""One compressed file without a table of contents: gzip (RFC 1952), bzip2, xz, lzma, lzip."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.containers.inflating import MEMORY_LIMIT, Buffered, Decompressor, Inflater, expand
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection

_SHORTER = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".tlz": ".tar"}


def open_gzip(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """All members as one file, as gunzip gives them."""
    return _streams(content, budget, lambda: Inflater(31))


def open_bzip2(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    return _streams(content, budget, lambda: Buffered(bz2.BZ2Decompressor()))


def open_xz(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    return _streams(content, budget, lambda: Buffered(lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_LIMIT)))


def open_lzma(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """The format of before xz, without a mark of its own: what cannot be unpacked at all is something else."""
    alone = Buffered(lzma.LZMADecompressor(lzma.FORMAT_ALONE, MEMORY_LIMIT))
    stream = expand(alone, content.octets, 0, len(content.octets), budget)
    if not stream.whole:
        yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged:", content.name or "compressed file")
    yield ScanContent(stream.octets, _inner_name(content.name))


def open_lzip(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Members of 6 octets, an LZMA stream, and 20 octets (CRC, sizes), all as one file."""
    octets, position = content.octets, 0
    pieces: list[bytes] = []
    while octets.startswith(b"LZIP", position) and position + 6 <= len(octets):
        budget.entry()
        try:
            begun = Buffered(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_lzip_filter(octets[position + 5])]))
        except (ValueError, lzma.LZMAError):
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged:", content.name or "compressed file")
            break
        stream = expand(begun, octets, position + 6, len(octets), budget)
        pieces.append(stream.octets)
        if not stream.whole:
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged:", content.name or "compressed file")
            break
        position = stream.end + 20
    yield ScanContent(b"".join(pieces), _inner_name(content.name))


def _lzip_filter(coded: int) -> dict[str, int]:
    """Size of the dictionary: a power of 2 less up to 7 sixteenths of it. Raises `ValueError` beyond our memory."""
    size = 1 << (coded & 0x1F)
    size -= (size // 16) * (coded >> 5)
    if not 4096 <= size <= MEMORY_LIMIT:
        raise ValueError("dictionary too large")
    return {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": 3, "lp": 0, "pb": 2}


def _streams(
    content: ScanContent, budget: ScanBudget, begin: Callable[[], Decompressor]
) -> Iterator[ScanContent | Detection]:
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
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged:", content.name or "compressed file")
            break
    yield ScanContent(b"".join(pieces), _inner_name(content.name))


def _inner_name(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return stem + _SHORTER.get(dot + extension.lower(), "")
