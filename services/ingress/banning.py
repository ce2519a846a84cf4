"""Refusing a peer for a while, in all replicas (R-IN-10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.bus import Bus
from libs.envelope import Temporary
from libs.events import PeerBlacklisted
from libs.network import Network, is_in
from services.ingress.domain.blacklist import Blacklist, Entry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Banning:
    """Here at once, elsewhere as soon as they hear of it."""

    blacklist: Blacklist
    bus: Bus
    clock: Callable[[], datetime]
    abuse: timedelta
    spared: Sequence[Network]

    async def tell(self, entry: Entry) -> None:
        """A ban, or its end. Raises `Temporary` when the others could not be told."""
        self.blacklist.add(entry)
        fact = PeerBlacklisted(address=entry.address, until_epoch=entry.until_epoch, reason=entry.reason)
        await self.bus.emit(fact.to_bus())

    async def guesses_passwords(self, address: str) -> None:
        """Too many failures from one address, or from one /64."""
        if is_in(address.partition("/")[0], self.spared):
            return
        until = self.clock() + self.abuse
        log.warning("peer_banned", peer=address, until=until.isoformat(), reason="guesses passwords")
        try:
            await self.tell(Entry(address, until.timestamp(), "guesses passwords"))
        except Temporary as error:
            log.warning("ban_not_told", peer=address, reason=error.reason)
