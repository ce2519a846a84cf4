"""Counts the attempts of a key within a window, in bounded memory, and computes delays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_STEP = 5


@dataclass(slots=True)
class _Count:
    attempts: int
    ends: float


class Throttle:
    """Allows a key `limit` attempts within `window` seconds of its first.

    An attempt counts when it starts, so that a hundred at once are not all allowed; `forgive` uncounts one that
    succeeded. `clock` returns monotonic seconds.
    """

    def __init__(self, *, limit: int, window: float, max_keys: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._window = window
        self._max_keys = max_keys
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()  # oldest window first

    def is_blocked(self, key: str) -> bool:
        """Tell whether the next attempt is one too many."""
        count = self._current(key)
        return count is not None and count.attempts >= self._limit

    def attempt(self, key: str) -> int:
        """Count an attempt, and return how many there were in this window."""
        count = self._current(key)
        if count is None:
            self._make_room()
            count = self._counts[key] = _Count(0, self._clock() + self._window)
        count.attempts += 1
        return count.attempts

    def forgive(self, key: str) -> None:
        """Uncount an attempt that succeeded."""
        count = self._current(key)
        if count is not None:
            count.attempts -= 1
            if count.attempts <= 0:
                del self._counts[key]

    def __len__(self) -> int:
        return len(self._counts)

    def _current(self, key: str) -> _Count | None:
        count = self._counts.get(key)
        if count is not None and count.ends <= self._clock():
            del self._counts[key]
            return None
        return count

    def _make_room(self) -> None:
        now = self._clock()
        while self._counts:
            oldest = next(iter(self._counts))
            if self._counts[oldest].ends > now and len(self._counts) < self._max_keys:
                return
            del self._counts[oldest]


def delay(failures: int, *, first: float, longest: float) -> float:
    """Return the seconds by which the reply to the n-th failure is delayed; every fifth doubles them (RFC 4954 9).

    The steps make sure that the time of a reply discloses the number of failures and nothing else.
    """
    return float(min(first * 2 ** min((failures - 1) // _STEP, 30), longest))
