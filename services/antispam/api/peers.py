"""The blacklist of peers, as `/v1/blacklisted-peers` shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from fastapi import APIRouter

from libs.http.blacklisted_peers import PeerBan, blacklisted_peer_routes
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer
from services.antispam.reputation.mongo_blacklisted_peers import MongoBlacklistedPeers
from services.antispam.reputation.peer_blacklist import PeerBlacklist


def peer_routes(peers: PeerBlacklist, store: MongoBlacklistedPeers, clock: Callable[[], datetime]) -> APIRouter:
    """Every change is told to all services, ingress among them."""
    return blacklisted_peer_routes(_Bans(peers, store, clock), clock)


class _Bans:
    def __init__(self, peers: PeerBlacklist, store: MongoBlacklistedPeers, clock: Callable[[], datetime]) -> None:
        self._peers = peers
        self._store = store
        self._clock = clock

    async def page(self, *, after: str, limit: int) -> Sequence[PeerBan]:
        found = await self._store.page(self._clock(), after=after, limit=limit)
        return [PeerBan(peer.address, peer.until, peer.reason) for peer in found]

    async def holds(self, address: str) -> bool:
        return await self._store.holds(address, self._clock())

    async def put(self, ban: PeerBan) -> None:
        await self._peers.blacklist(BlacklistedPeer(ban.address, ban.expires_at, ban.reason))
