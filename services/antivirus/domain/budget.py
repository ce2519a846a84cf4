"""The budget of one message: the work that opening its archives may cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

READINGS_SHARE = 0.3  # of the time, from its start, in which other readings of a message are begun


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Bounds for all archives of one message together. Beyond one the message is called unscannable, never clean."""

    depth: int = 8  # archives inside each other
    entries: int = 10_000
    expanded_bytes: int = 100 * 1024 * 1024  # the most that is in memory, twice for a moment
    ratio: int = 250  # expanded by packed, of one entry; deflate's best is 1032
    ratio_floor_bytes: int = 16 * 1024 * 1024  # below it any ratio is fine: honest files of zeros exist
    seconds: float = 10.0


class LimitExceeded(Exception):
    """A limit is exceeded; the text names it."""


class NeedsThread(Exception):
    """The work is too heavy for the event loop."""


class ScanBudget:
    """The account of one message: time, octets and entries of all of it together. Methods raise `LimitExceeded`.

    One that is `light` allows nothing heavy.
    """

    def __init__(
        self, limits: ArchiveLimits, clock: Callable[[], float] = time.monotonic, *, light: bool = False
    ) -> None:
        self.limits = limits
        self._light = light
        self._clock = clock
        self._entries = 0
        self._expanded_bytes = 0
        self._ends = clock() + limits.seconds

    def heavy(self) -> None:
        """Demand a thread for unpacking or for other readings. Raises `NeedsThread`."""
        if self._light:
            raise NeedsThread

    def enter(self, depth: int) -> None:
        """An archive at this depth is opened; one that is attached to the message is at 1."""
        if depth > self.limits.depth:
            raise LimitExceeded(f"archives nested more than {self.limits.depth} deep")
        self.in_time()

    def entry(self) -> None:
        """One more entry is looked at."""
        self._entries += 1
        if self._entries > self.limits.entries:
            raise LimitExceeded(f"more than {self.limits.entries} entries")
        self.in_time()

    def grown(self, size: int, *, total: int, packed: int) -> None:
        """`size` more octets came out of an entry, which makes `total` out of `packed`."""
        self._expanded_bytes += size
        if self._expanded_bytes > self.limits.expanded_bytes:
            raise LimitExceeded(f"more than {self.limits.expanded_bytes} octets expanded")
        if total > self.limits.ratio_floor_bytes and total > self.limits.ratio * packed:
            raise LimitExceeded(f"expands more than {self.limits.ratio} times")
        self.in_time()

    @property
    def is_late(self) -> bool:
        """Whether it is too late to begin another reading: most of the time belongs to the common reading."""
        return self.seconds_left < self.limits.seconds * (1 - READINGS_SHARE)

    @property
    def seconds_left(self) -> float:
        """Less than 0 when the time is over."""
        return self._ends - self._clock()

    def in_time(self) -> None:
        if self.seconds_left < 0:
            raise LimitExceeded(f"takes more than {self.limits.seconds:g} seconds")
