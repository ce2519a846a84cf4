"""The fingerprint database: SHA-256 digests of known attachments."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FingerprintVerdict(StrEnum):
    """The entry of a known attachment."""

    BAD = "bad"
    SPAM = "spam"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """An entry. `name` is what findings call it; `created_at` is UTC."""

    digest: bytes
    verdict: FingerprintVerdict
    name: str
    note: str
    created_at: datetime


class Hints:
    """Which digests may be known: the first 8 octets of each in a sorted array, 8 octets of memory an entry.

    A hint that is wrong costs one question to the database; a digest without a hint costs none, which is nearly every
    attachment that passes.
    """

    def __init__(self) -> None:
        self._sorted = array("Q")

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, digest: bytes) -> None:
        """A digest that is added twice counts once."""
        if not self.may_know(digest):
            insort(self._sorted, _head(digest))

    def add_all(self, digests: Iterable[bytes]) -> None:
        """Many at once; sorts them all, so not for one."""
        self._sorted = array("Q", sorted({*self._sorted, *map(_head, digests)}))

    def may_know(self, digest: bytes) -> bool:
        """False: certainly not in the database, as far as its changes have been heard of."""
        head = _head(digest)
        at = bisect_left(self._sorted, head)
        return at < len(self._sorted) and self._sorted[at] == head


def _head(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big")
