"""Blacklisted peers: what is stored, what is in memory, what the other services hear."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from libs.bus import Bus
from libs.events import PeerBlacklisted
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer, BlacklistedPeerTable
from services.antispam.reputation.mongo_blacklisted_peers import MongoBlacklistedPeers


class PeerBlacklist:
    """The memory is what filters ask; the store brings it back after a restart."""

    def __init__(
        self,
        memory: BlacklistedPeerTable,
        store: MongoBlacklistedPeers,
        bus: Bus,
        *,
        capacity: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._memory = memory
        self._store = store
        self._bus = bus
        self._capacity = capacity
        self._clock = clock

    async def load(self) -> None:
        """Read the stored ones into memory. Raises `Temporary`."""
        now = self._clock()
        for peer in await self._store.all(now, self._capacity):
            self._memory.refuse(peer.address, peer.until, peer.reason, now)

    async def blacklist(self, peer: BlacklistedPeer) -> None:
        """Store it and tell all; a moment that is over takes it back everywhere. Raises `Temporary`."""
        await self._store.put(peer)
        fact = PeerBlacklisted(address=peer.address, until_epoch=peer.until.timestamp(), reason=peer.reason)
        self.peer_blacklisted(fact)
        await self._bus.emit(fact.to_bus())

    def peer_blacklisted(self, fact: PeerBlacklisted) -> None:
        """Another replica or service says so."""
        peer = _peer(fact)
        self._memory.refuse(peer.address, peer.until, peer.reason, self._clock())

    async def store_peer(self, fact: PeerBlacklisted) -> None:
        """Store what another service found. Raises `Temporary`."""
        await self._store.put(_peer(fact))


def _peer(fact: PeerBlacklisted) -> BlacklistedPeer:
    return BlacklistedPeer(fact.address, datetime.fromtimestamp(fact.until_epoch, UTC), fact.reason[:200])
