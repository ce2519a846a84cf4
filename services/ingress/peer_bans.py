"""Temporary bans of peers, in all replicas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.bus import Bus
from libs.envelope import Temporary
from libs.events import PeerBlacklisted
from libs.network import Network, is_in
from services.ingress.domain.blacklist import Blacklist, BlacklistEntry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PeerBans:
    """Applies a ban at once in this process, and announces it to the other replicas.

    `duration` is that of a ban for password guessing; peers in the `exempt` networks are never banned for it.
    """

    blacklist: Blacklist
    bus: Bus
    clock: Callable[[], datetime]
    duration: timedelta
    exempt: Sequence[Network]

    async def announce(self, entry: BlacklistEntry) -> None:
        """Apply and announce a ban or its end. Raises `Temporary` when it could not be announced."""
        self.blacklist.put(entry)
        fact = PeerBlacklisted(address=entry.address, until_epoch=entry.until_epoch, reason=entry.reason)
        await self.bus.emit(fact.to_bus())

    async def ban_password_guesser(self, address: str) -> None:
        """Ban an address (IPv6: its /64) from which too many attempts to authenticate failed."""
        if is_in(address.partition("/")[0], self.exempt):
            return
        until = self.clock() + self.duration
        log.warning("peer_banned", peer=address, until=until.isoformat(), reason="guesses passwords")
        try:
            await self.announce(BlacklistEntry(address, until.timestamp(), "guesses passwords"))
        except Temporary as error:
            log.warning("ban_not_announced", peer=address, reason=error.reason)
