"""The Compound File Binary format (MS-CFB): a file system of sectors. Read leniently and within a budget.

It reads what a scanner needs: the octets of every stream in the directory, streams outside every storage included.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from services.antivirus.domain.budget import ScanBudget

_HEADER = 512
_MINI_SECTOR = 64
_MINI_CUTOFF = 4096  # MS-CFB 2.2: shorter streams stand in the mini stream
_ENTRY = 128
_LAST_SECTOR = 0xFFFFFFFA  # MS-CFB 2.1: numbers above it are marks
_STREAM, _ROOT = 2, 5
_HEADER_FIELDS = struct.Struct("<30xH16xI8xI4xI")  # MS-CFB 2.2: sector shift, first sectors
_ENTRY_FIELDS = struct.Struct("<64sHB49xII4x")  # name, its size, type, first sector, size


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream; `name` without the storages around it."""

    name: str
    octets: bytes


class CompoundFile:
    """Raises `ValueError` where there is no directory to be found."""

    def __init__(self, octets: bytes, budget: ScanBudget) -> None:
        if len(octets) < _HEADER:
            raise ValueError("cut off in its header")
        shift, directory, mini_fat, difat = _HEADER_FIELDS.unpack_from(octets)
        if shift not in (9, 12):
            raise ValueError("sectors of an unknown size")
        self._octets = octets
        self._budget = budget
        self._sector = 1 << shift
        self._fat = self._numbers(_fat_sectors(octets, difat, self._sector))
        self._entries = [*_entries(self._read(directory, len(octets)))]
        if not self._entries:
            raise ValueError("without a directory")
        self._mini_fat = _array(self._read(mini_fat, len(octets)))
        root = next((entry for entry in self._entries if entry[1] == _ROOT), None)
        self._mini_stream = self._read(root[2], root[3]) if root else b""

    def streams(self) -> Iterator[Stream]:
        """All of them, in the order of the directory. Raises `Exceeded`."""
        for name, kind, first, size in self._entries:
            if kind != _STREAM or not size:
                continue
            self._budget.entry()
            octets = self._read_mini(first, size) if size < _MINI_CUTOFF else self._read(first, size)
            yield Stream(name, octets)

    def _read(self, first: int, size: int) -> bytes:
        """Yield a chain of sectors; a missing sector or a cycle ends it."""
        sector, octets = self._sector, self._octets
        pieces = [octets[(n + 1) * sector : (n + 2) * sector] for n in _chain(self._fat, first, size, sector)]
        return self._paid(b"".join(pieces)[:size])

    def _read_mini(self, first: int, size: int) -> bytes:
        stream = self._mini_stream
        numbers = _chain(self._mini_fat, first, size, _MINI_SECTOR)
        return self._paid(b"".join(stream[n * _MINI_SECTOR : (n + 1) * _MINI_SECTOR] for n in numbers)[:size])

    def _paid(self, octets: bytes) -> bytes:
        self._budget.grown(len(octets), total=0, packed=0)
        return octets

    def _numbers(self, sectors: Iterator[int]) -> array[int]:
        size = self._sector
        return _array(b"".join(self._octets[(n + 1) * size : (n + 2) * size] for n in sectors))


def _fat_sectors(octets: bytes, following: int, sector: int) -> Iterator[int]:
    """2.5: the first 109 stand in the header, the rest in a chain of sectors whose last number is the next."""
    yield from (n for n in _array(octets[76:512]) if n < _LAST_SECTOR)
    for _ in range(len(octets) // sector):
        if following >= _LAST_SECTOR:
            return
        numbers = _array(octets[(following + 1) * sector : (following + 2) * sector])
        if not numbers:
            return
        yield from (n for n in numbers[:-1] if n < _LAST_SECTOR)
        following = numbers[-1]


def _entries(directory: bytes) -> Iterator[tuple[str, int, int, int]]:
    """(name, type, first sector, size) of each entry in use (2.6.1)."""
    for at in range(0, len(directory) - _ENTRY + 1, _ENTRY):
        name, name_size, kind, first, size = _ENTRY_FIELDS.unpack_from(directory, at)
        if kind:
            yield name[: max(min(name_size, 64) - 2, 0)].decode("utf-16-le", "replace"), kind, first, size


def _chain(fat: array[int], first: int, size: int, sector: int) -> list[int]:
    """The numbers of the sectors of a stream. Its size bounds it, and so does the table where the size lies."""
    numbers: list[int] = []
    wanted = min(-(-size // sector), len(fat))
    while len(numbers) < wanted and first < len(fat):
        numbers.append(first)
        first = fat[first]
    return numbers


def _array(octets: bytes) -> array[int]:
    """32-bit numbers, little end first."""
    usable = len(octets) // 4
    return array("I", struct.unpack_from(f"<{usable}I", octets))
