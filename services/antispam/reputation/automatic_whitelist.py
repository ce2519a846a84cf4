"""The automatic whitelist for filters: answers come from memory, or from one query for all waiting messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from libs.bus import Bus
from libs.caching import TtlCache
from libs.envelope import Temporary
from libs.events import MailRelayed, SenderTrusted, SenderValidated
from libs.mongo import Batcher
from services.antispam.reputation.correspondents import Correspondent, CorrespondentKey, is_eligible

_FOUND_TTL = 600.0  # seconds that an answer is kept; an event announces changes
_NOT_FOUND_TTL = 60.0  # seconds
_COOLDOWN = 5.0  # seconds without queries after a failure


class CorrespondentStore(Protocol):
    """The stored correspondents. All methods raise `Temporary`."""

    async def find(
        self, wanted: Collection[CorrespondentKey], now: datetime
    ) -> Mapping[CorrespondentKey, Correspondent]: ...

    async def record(self, wanted: Collection[CorrespondentKey], *, validated: bool, now: datetime) -> None:
        """Count one more message to each of them, or their validation."""


class AutomaticWhitelist:
    """Answers for senders, of which at most `capacity` are in memory, unknown senders included."""

    def __init__(
        self,
        store: CorrespondentStore,
        bus: Bus,
        *,
        capacity: int,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._monotonic = monotonic
        self._answers: TtlCache[CorrespondentKey, tuple[Correspondent | None]] = TtlCache(
            max_entries=capacity, clock=monotonic
        )
        self._batcher: Batcher[CorrespondentKey, Correspondent | None] = Batcher(self._find, max_items=200, lanes=2)
        self._retry_at = float("-inf")

    async def find(self, domain: str, address: str) -> Correspondent | None:
        """Return the correspondent, or None. Raises `Temporary`, at once during the cooldown after a failure."""
        wanted = CorrespondentKey(domain, address)
        kept = self._answers.get(wanted)
        if kept is not None:
            return kept[0]
        if self._retry_at > self._monotonic():
            raise Temporary("correspondents: the database did not answer a moment ago")
        return await self._batcher.add(wanted)

    async def record(self, domain: str, addresses: Collection[str], *, validated: bool = False) -> Sequence[str]:
        """Put addresses on the whitelist of a domain and return the eligible ones. Raises `Temporary`."""
        eligible = [address for address in dict.fromkeys(addresses) if is_eligible(domain, address)]
        if eligible:
            wanted = [CorrespondentKey(domain, address) for address in eligible]
            await self._store.record(wanted, validated=validated, now=self._clock())
            await self.changed(domain, eligible)
        return eligible

    async def changed(self, domain: str, addresses: Sequence[str]) -> None:
        """Make every replica drop its answers for these addresses. Raises `Temporary`."""
        fact = SenderTrusted(domain=domain, addresses=list(addresses))
        self.sender_trusted(fact)
        await self._bus.emit(fact.to_bus())

    async def mail_relayed(self, fact: MailRelayed) -> None:
        """Handle the event: an account of the domain wrote to these recipients. Raises `Temporary`."""
        await self.record(fact.account.rpartition("@")[2], [address.lower() for address in fact.recipients])

    async def sender_validated(self, fact: SenderValidated) -> None:
        """Handle the event: a sender in the quarantine proved to be a person. Raises `Temporary`."""
        await self.record(fact.domain, [fact.address.lower()], validated=True)

    def sender_trusted(self, fact: SenderTrusted) -> None:
        """Handle the event: the next message from these addresses causes a query."""
        self._answers.forget(*(CorrespondentKey(fact.domain, address) for address in fact.addresses))

    async def _find(self, wanted: Sequence[CorrespondentKey]) -> Sequence[Correspondent | None]:
        generation = self._answers.generation
        try:
            found = await self._store.find(set(wanted), self._clock())
        except Temporary:
            self._retry_at = self._monotonic() + _COOLDOWN
            raise
        for one in wanted:
            correspondent = found.get(one)
            seconds = _NOT_FOUND_TTL if correspondent is None else _FOUND_TTL
            # An answer may be older than a change that came meanwhile: then it has another generation and is not kept.
            self._answers.put(one, (correspondent,), seconds=seconds, generation=generation)
        return [found.get(one) for one in wanted]
