"""Blacklisted peers in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from libs.mongo import mongo_errors
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer


class MongoBlacklistedPeers:
    """The collection `peers`: {_id: address, until, reason}; MongoDB deletes documents after `until`."""

    def __init__(self, database: Any) -> None:
        self._peers = database["peers"]

    async def prepare(self) -> None:
        """Create the indexes. Raises `Temporary`."""
        with mongo_errors("blacklisted peers"):
            await self._peers.create_index("until", expireAfterSeconds=0)

    async def all(self, now: datetime, limit: int) -> Sequence[BlacklistedPeer]:
        """Return the current peers, the longest blacklisted first. Raises `Temporary`."""
        with mongo_errors("blacklisted peers"):
            cursor = self._peers.find({"until": {"$gt": now}}).sort("until", -1).limit(limit)
            return [_peer(document) async for document in cursor]

    async def page(self, now: datetime, *, after: str, limit: int) -> Sequence[BlacklistedPeer]:
        """Return the current peers after the address `after`, ordered by address. Raises `Temporary`."""
        with mongo_errors("blacklisted peers"):
            cursor = self._peers.find({"until": {"$gt": now}, "_id": {"$gt": after}}).sort("_id", 1).limit(limit)
            return [_peer(document) async for document in cursor]

    async def holds(self, address: str, now: datetime) -> bool:
        """Return whether this very address is refused now. Raises `Temporary`."""
        with mongo_errors("blacklisted peers"):
            return await self._peers.find_one({"_id": address, "until": {"$gt": now}}) is not None

    async def put(self, peer: BlacklistedPeer) -> None:
        """Insert or replace a peer. Raises `Temporary`."""
        with mongo_errors("blacklisted peers"):
            fields = {"until": peer.until, "reason": peer.reason}
            await self._peers.update_one({"_id": peer.address}, {"$set": fields}, upsert=True)


def _peer(document: dict[str, Any]) -> BlacklistedPeer:
    return BlacklistedPeer(document["_id"], document["until"], document["reason"])
