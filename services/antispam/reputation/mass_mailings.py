"""Counts the recipients of the same message within a window, over all replicas, to find mass mailings.

Each replica counts in memory and exchanges counts through the database every few seconds, so that no message waits for
the database. A replica shares a digest from its second message on: most mail is unique and never costs a write. So the
total may lack the first message of each replica that saw no second one, and it is late by one exchange. A mailing to
dozens of recipients is found all the same, a few recipients later.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.envelope import Temporary


@dataclass(slots=True)
class _Seen:
    since: datetime
    last_id: str
    here: int = 0  # recipients counted by this replica
    shared: int = 0  # of those, already in the shared total
    total: int = 0  # shared total of all replicas at the last exchange
    messages: int = 0


class MassMailingCounter:
    """Counts at most `capacity` digests; beyond it, the least recently seen are dropped."""

    def __init__(self, *, threshold: int, window: timedelta, capacity: int) -> None:
        self.threshold = threshold
        self._window = window
        self._capacity = capacity
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._unshared: set[str] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def count(self, digest: str, *, recipients: int, message_id: str, now: datetime) -> int:
        """Count and return the recipients within the window. A message that the queue delivers again counts once."""
        seen = self._seen.get(digest)
        if seen is None or now - seen.since > self._window:
            seen = self._seen[digest] = _Seen(now, "")
        self._seen.move_to_end(digest)
        if seen.last_id != message_id:
            seen.last_id = message_id
            seen.here += recipients
            seen.messages += 1
            if seen.messages > 1:
                self._unshared.add(digest)
        if len(self._seen) > self._capacity:
            self._unshared.discard(self._seen.popitem(last=False)[0])
        return self.count_of(digest, now)

    def without_counting(self) -> DryRunCounter:
        """Return a counter for a dry run."""
        return DryRunCounter(self)

    def count_of(self, digest: str, now: datetime) -> int:
        """Return the recipients within the window so far."""
        seen = self._seen.get(digest)
        if seen is None or now - seen.since > self._window:
            return 0
        return seen.total + seen.here - seen.shared

    async def exchange(self, add: Callable[[Mapping[str, int]], Awaitable[Mapping[str, int]]]) -> None:
        """Share the new counts by `add`, which returns the totals of their digests.

        Raises `Temporary` as `add` does; the counts then wait for the next exchange.
        """
        if not (counts := self.take_unshared()):
            return
        try:
            self.set_totals(counts, await add(counts))
        except Temporary:
            self.put_back(counts)
            raise

    def take_unshared(self) -> Mapping[str, int]:
        """Return the counts that are not shared yet; `set_totals` or `put_back` ends the exchange."""
        taken = {digest: self._seen[digest].here - self._seen[digest].shared for digest in self._unshared}
        self._unshared.clear()
        return taken

    def put_back(self, counts: Mapping[str, int]) -> None:
        """Keep the counts for the next exchange, since this one failed."""
        self._unshared.update(digest for digest in counts if digest in self._seen)

    def set_totals(self, counts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """Store the totals, which include `counts`."""
        for digest, count in counts.items():
            if digest in totals and (seen := self._seen.get(digest)):
                seen.shared = min(seen.shared + count, seen.here)  # a new window may have begun meanwhile
                seen.total = totals[digest]


@dataclass(frozen=True, slots=True)
class DryRunCounter:
    """Answers as the counter would, without counting the message."""

    counter: MassMailingCounter

    @property
    def threshold(self) -> int:
        return self.counter.threshold

    def count(self, digest: str, *, recipients: int, message_id: str, now: datetime) -> int:
        return self.counter.count_of(digest, now) + recipients

    def without_counting(self) -> DryRunCounter:
        return self
