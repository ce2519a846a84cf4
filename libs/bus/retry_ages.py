"""How old what waits for a retry is: a few numbers for each queue, whatever waits."""

from __future__ import annotations

from datetime import datetime, timedelta

# Retries are remembered by when they are due, in steps of so many seconds.
STEP = 15


class RetryAges:
    """The oldest message among those that this process has put on the ladder and that have not come back yet."""

    def __init__(self) -> None:
        self._oldest: dict[int, datetime] = {}  # first publication, by the step in which it is due

    def deferred(self, first_seen: datetime, delay: timedelta, *, now: datetime) -> None:
        self._forget(now)
        step = _step(now + delay)
        self._oldest[step] = min(self._oldest.get(step, first_seen), first_seen)

    def oldest(self, now: datetime) -> datetime | None:
        self._forget(now)
        return min(self._oldest.values(), default=None)

    def _forget(self, now: datetime) -> None:
        """Those that are back by now are counted where they are."""
        for step in [step for step in self._oldest if step < _step(now)]:
            del self._oldest[step]


def _step(moment: datetime) -> int:
    return int(moment.timestamp() // STEP)
