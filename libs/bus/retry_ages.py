"""The ages of messages that wait for a retry, in a few numbers for each queue."""

from __future__ import annotations

from datetime import datetime, timedelta

# Retries are grouped by the time at which they are due, in steps of so many seconds.
STEP = 15


class RetryAges:
    """Remembers the oldest message among those that this process has deferred and that are not due yet."""

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
        """Forget retries that are due by now: they are in their queue again."""
        for step in [step for step in self._oldest if step < _step(now)]:
            del self._oldest[step]


def _step(moment: datetime) -> int:
    return int(moment.timestamp() // STEP)
