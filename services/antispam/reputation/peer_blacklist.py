"""The blacklist of peers: keeps the database, the table in memory and the other services consistent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from libs.bus import Bus
from libs.events import PeerBlacklisted
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer, BlacklistedPeerTable
from services.antispam.reputation.mongo_blacklisted_peers import MongoBlacklistedPeers


class PeerBlacklist:
    """Filters use the table in memory; the store restores it after a restart."""

    def __init__(
        self,
        table: BlacklistedPeerTable,
        store: MongoBlacklistedPeers,
        bus: Bus,
        *,
        capacity: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._store = store
        self._bus = bus
        self._capacity = capacity
        self._clock = clock

    async def load(self) -> None:
        """Read the stored peers into memory. Raises `Temporary`."""
        now = self._clock()
        for peer in await self._store.all(now, self._capacity):
            self._table.blacklist(peer.address, peer.until, peer.reason, now)

    async def blacklist(self, peer: BlacklistedPeer) -> None:
        """Store the peer and announce it; an `until` in the past removes it everywhere. Raises `Temporary`."""
        await self._store.put(peer)
        fact = PeerBlacklisted(address=peer.address, until_epoch=peer.until.timestamp(), reason=peer.reason)
        self.peer_blacklisted(fact)
        await self._bus.emit(fact.to_bus())

    def peer_blacklisted(self, fact: PeerBlacklisted) -> None:
        """Handle the event: blacklist the peer in memory."""
        peer = _peer_of(fact)
        self._table.blacklist(peer.address, peer.until, peer.reason, self._clock())

    async def store_peer(self, fact: PeerBlacklisted) -> None:
        """Handle the event: store a peer that another service blacklisted. Raises `Temporary`."""
        await self._store.put(_peer_of(fact))


def _peer_of(fact: PeerBlacklisted) -> BlacklistedPeer:
    return BlacklistedPeer(fact.address, datetime.fromtimestamp(fact.until_epoch, UTC), fact.reason[:200])
