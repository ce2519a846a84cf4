"""How many recipients the same message went to lately, over all replicas (R-SPAM-21).

Each replica counts in memory and exchanges counts through the database every few seconds, so that no message waits for
it. A replica shares a digest from its second message on: most mail is unique and never costs a write. The price: the
total may be short by the first message of each replica that saw no second one, and late by one exchange. A mailing of
dozens is seen anyway, only a few recipients later.
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
    total: int = 0  # shared total of all replicas, as of the last exchange
    messages: int = 0


class MassMailingCounter:
    """At most `capacity` digests, the longest unseen go first."""

    def __init__(self, *, threshold: int, window: timedelta, capacity: int) -> None:
        self.threshold = threshold
        self._window = window
        self._capacity = capacity
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._unshared: set[str] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def saw(self, digest: str, *, recipients: int, message_id: str, now: datetime) -> int:
        """Count; the recipients within the window. A message that the queue delivers again counts once."""
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
        """For a message that is only looked at."""
        return DryRunCounter(self)

    def count_of(self, digest: str, now: datetime) -> int:
        """Recipients within the window so far."""
        seen = self._seen.get(digest)
        if seen is None or now - seen.since > self._window:
            return 0
        return seen.total + seen.here - seen.shared

    async def exchange(self, add: Callable[[Mapping[str, int]], Awaitable[Mapping[str, int]]]) -> None:
        """Add what the shared totals lack, by `add`, which returns the totals of these digests.

        Raises `Temporary` as `add` does; the counts then wait for the next exchange.
        """
        if not (counts := self.take_unshared()):
            return
        try:
            self.learn_totals(counts, await add(counts))
        except Temporary:
            self.give_back(counts)
            raise

    def take_unshared(self) -> Mapping[str, int]:
        """What the shared totals lack, by digest; `learn_totals` or `give_back` ends the exchange."""
        taken = {digest: self._seen[digest].here - self._seen[digest].shared for digest in self._unshared}
        self._unshared.clear()
        return taken

    def give_back(self, counts: Mapping[str, int]) -> None:
        """The exchange failed: the counts wait for the next one."""
        self._unshared.update(digest for digest in counts if digest in self._seen)

    def learn_totals(self, counts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """`counts` are shared now, and these are the totals that hold them."""
        for digest, count in counts.items():
            if digest in totals and (seen := self._seen.get(digest)):
                seen.shared = min(seen.shared + count, seen.here)  # a new window may have begun meanwhile
                seen.total = totals[digest]


@dataclass(frozen=True, slots=True)
class DryRunCounter:
    """Answers as if it counted the message, and does not."""

    sightings: MassMailingCounter

    @property
    def threshold(self) -> int:
        return self.sightings.threshold

    def saw(self, digest: str, *, recipients: int, message_id: str, now: datetime) -> int:
        return self.sightings.count_of(digest, now) + recipients

    def without_counting(self) -> DryRunCounter:
        return self
