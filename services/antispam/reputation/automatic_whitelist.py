"""The automatic whitelist as filters ask it: from memory, or with all the messages in hand in one query."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from libs.bus import Bus
from libs.envelope import Temporary
from libs.events import MailRelayed, SenderTrusted, SenderValidated
from libs.mongo import Batcher
from services.antispam.reputation.correspondents import Correspondent, CorrespondentKey, is_eligible

_KNOWN = 600.0  # seconds that an answer is believed; changes are told by an event
_UNKNOWN = 60.0
_REST = 5.0  # after a failure


class CorrespondentStore(Protocol):
    """Where they outlive a restart. All methods raise `Temporary`."""

    async def find(
        self, wanted: Collection[CorrespondentKey], now: datetime
    ) -> Mapping[CorrespondentKey, Correspondent]: ...

    async def know(self, wanted: Collection[CorrespondentKey], *, validated: bool, now: datetime) -> None:
        """Once more, from now on."""


class AutomaticWhitelist:
    """At most `capacity` answers in memory, strangers included."""

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
        self._capacity = capacity
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[CorrespondentKey, tuple[float, Correspondent | None]] = OrderedDict()
        self._batcher: Batcher[CorrespondentKey, Correspondent | None] = Batcher(self._find, max_items=200, lanes=2)
        self._asleep_until = float("-inf")
        self._changes = 0

    async def find(self, domain: str, address: str) -> Correspondent | None:
        """Raises `Temporary`, at once while the database was away a moment ago."""
        wanted = CorrespondentKey(domain, address)
        kept = self._known.get(wanted)
        if kept is not None and kept[0] > self._monotonic():
            return kept[1]
        if self._asleep_until > self._monotonic():
            raise Temporary("correspondents: the database did not answer a moment ago")
        return await self._batcher.add(wanted)

    async def know(self, domain: str, addresses: Collection[str], *, validated: bool = False) -> Sequence[str]:
        """Those that are known from now on, everywhere. Raises `Temporary`."""
        fit = [address for address in dict.fromkeys(addresses) if is_eligible(domain, address)]
        if fit:
            wanted = [CorrespondentKey(domain, address) for address in fit]
            await self._store.know(wanted, validated=validated, now=self._clock())
            await self.changed(domain, fit)
        return fit

    async def changed(self, domain: str, addresses: Sequence[str]) -> None:
        """Every replica asks anew. Raises `Temporary`."""
        fact = SenderTrusted(domain=domain, addresses=list(addresses))
        self.sender_trusted(fact)
        await self._bus.emit(fact.to_bus())

    async def mail_relayed(self, fact: MailRelayed) -> None:
        """Handle the event: an account of the domain wrote to these recipients. Raises `Temporary`."""
        await self.know(fact.account.rpartition("@")[2], [address.lower() for address in fact.recipients])

    async def sender_validated(self, fact: SenderValidated) -> None:
        """Handle the event: a sender in the quarantine proved to be a person. Raises `Temporary`."""
        await self.know(fact.domain, [fact.address.lower()], validated=True)

    def sender_trusted(self, fact: SenderTrusted) -> None:
        """Another replica says so."""
        self._changes += 1
        for address in fact.addresses:
            self._known.pop(CorrespondentKey(fact.domain, address), None)

    async def _find(self, wanted: Sequence[CorrespondentKey]) -> Sequence[Correspondent | None]:
        changes = self._changes
        try:
            found = await self._store.find(set(wanted), self._clock())
        except Temporary:
            self._asleep_until = self._monotonic() + _REST
            raise
        if changes == self._changes:  # else it may be what was true before the change
            self._keep(wanted, found)
        return [found.get(one) for one in wanted]

    def _keep(self, wanted: Sequence[CorrespondentKey], found: Mapping[CorrespondentKey, Correspondent]) -> None:
        now = self._monotonic()
        for one in wanted:
            correspondent = found.get(one)
            self._known[one] = (now + (_UNKNOWN if correspondent is None else _KNOWN), correspondent)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
