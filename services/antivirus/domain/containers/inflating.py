"""Decompression in small steps, each paid from the budget: no input makes more than a step of memory at a time."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from services.antivirus.domain.budget import ScanBudget

STEP = 256 * 1024
_SLICE = 64 * 1024  # zlib copies the input that it has not used at each step
MEMORY_LIMIT = 64 * 1024 * 1024  # of an LZMA dictionary; xz -9 takes 64 MiB

FAILURES = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


class Decompressor(Protocol):
    """The common interface of the three libraries, completed here."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def steps(self, octets: bytes) -> Iterator[bytes]:
        """Return the output for this input, at most `STEP` octets at a time."""


class Inflater:
    """zlib: `window_bits` -15 for raw deflate (zip), 31 for gzip."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def steps(self, octets: bytes) -> Iterator[bytes]:
        yield self._zlib.decompress(octets, STEP)
        while self._zlib.unconsumed_tail and not self._zlib.eof:
            yield self._zlib.decompress(self._zlib.unconsumed_tail, STEP)


class Buffered:
    """bz2 and lzma, which keep their input themselves."""

    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def steps(self, octets: bytes) -> Iterator[bytes]:
        yield self._inner.decompress(octets, STEP)
        while not self._inner.eof and not self._inner.needs_input:
            yield self._inner.decompress(b"", STEP)


@dataclass(frozen=True, slots=True)
class Expanded:
    """Return the output, the end of the stream in the input, and whether the stream is complete."""

    octets: bytes
    end: int
    whole: bool


def expand(decompressor: Decompressor, octets: bytes, start: int, end: int, budget: ScanBudget) -> Expanded:
    """One stream of `octets[start:end]`. Damage is told by `whole`; raises `Exceeded`."""
    pieces: list[bytes] = []
    total, position = 0, start
    try:
        while position < end and not decompressor.eof:
            piece_end = min(position + _SLICE, end)
            for step in decompressor.steps(octets[position:piece_end]):
                pieces.append(step)
                total += len(step)
                budget.grown(len(step), total=total, packed=piece_end - start)
            position = piece_end
    except FAILURES:
        return Expanded(b"".join(pieces), position, whole=False)
    return Expanded(b"".join(pieces), position - len(decompressor.unused_data), whole=decompressor.eof)
