"""Who lives, and who may connect where: `holders` {_id, until}, `sites` {_id, slots: [{holder, slot}], used_at}.

A holder is a process of relay. It says every few seconds that it lives; what a holder that no longer does has claimed
goes back to the queue, and its connections no longer count. Connections are counted by mx_group for the whole cluster.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import DuplicateKey, mongo_errors
from services.relay.domain.entries import State

LEASE = timedelta(minutes=2)
RENEWAL = LEASE / 8


class Leases:
    """`monotonic` is in seconds: whether our own lease holds is not a question of the wall clock."""

    def __init__(self, database: Any, *, holder: str, monotonic: Callable[[], float]) -> None:
        self._holders = database["holders"]
        self._entries = database["deliveries"]
        self._sites = database["sites"]
        self.holder = holder
        self._monotonic = monotonic
        self._to_disconnect: dict[str, str] = {}
        self._renewed_at: float | None = None
        self._steady_since: float | None = None

    async def prepare(self) -> None:
        """Create the indexes: what is long over goes by itself."""
        with mongo_errors("outbound queue"):
            await self._holders.create_index("until", expireAfterSeconds=86_400)
            await self._sites.create_index("used_at", expireAfterSeconds=86_400)

    @property
    def holds(self) -> bool:
        """Whether what we claimed is surely still ours."""
        return self._renewed_at is not None and self._monotonic() - self._renewed_at < LEASE.total_seconds() * 3 / 4

    async def renew(self, *, now: datetime) -> None:
        """We live. Raises `Temporary`; then the lease goes on to its end."""
        began = self._monotonic()
        try:
            with mongo_errors("outbound queue"):
                await self._holders.update_one({"_id": self.holder}, {"$set": {"until": now + LEASE}}, upsert=True)
        except Exception:
            self._steady_since = None
            raise
        if not self.holds:
            self._steady_since = began
        self._renewed_at = began
        for slot, mx_group in list(self._to_disconnect.items()):
            await self.disconnect(mx_group, slot)
        self._steady_since = self._steady_since if self._steady_since is not None else began

    async def dead(self, *, now: datetime) -> list[str]:
        """Leases that have claimed something and live no more. After the database was away everybody has the time of
        a lease to come back, and to write down first what it knows."""
        if self._steady_since is None or self._monotonic() - self._steady_since < LEASE.total_seconds():
            return []
        with mongo_errors("outbound queue"):
            having = set(await self._entries.distinct("lease.holder", {"state": State.SENDING}))
            connected = set(await self._sites.distinct("slots.holder"))
            living = {document["_id"] async for document in self._holders.find({"until": {"$gt": now}}, {"_id": 1})}
        return sorted((having | connected) - living - {self.holder})

    async def leave(self, holders: list[str]) -> None:
        """Their connections count no more."""
        with mongo_errors("outbound queue"):
            await self._sites.update_many(
                {"slots.holder": {"$in": holders}}, {"$pull": {"slots": {"holder": {"$in": holders}}}}
            )
            await self._holders.delete_many({"_id": {"$in": holders}})

    async def connect(self, mx_group: str, *, limit: int, now: datetime) -> str | None:
        """A slot for one connection to `mx_group`; None when the cluster has as many as it may have."""
        slot = uuid.uuid4().hex
        room = {"_id": mx_group, f"slots.{limit - 1}": {"$exists": False}}
        change = {"$push": {"slots": {"holder": self.holder, "slot": slot}}, "$set": {"used_at": now}}
        try:
            with mongo_errors("outbound queue"):
                await self._sites.update_one(room, change, upsert=True)
        except DuplicateKey:
            return None  # the group is there, and has no room
        return slot

    async def disconnect(self, mx_group: str, slot: str) -> None:
        """The connection is closed. What cannot be written now is written with the next sign of life."""
        self._to_disconnect[slot] = mx_group
        with mongo_errors("outbound queue"):
            await self._sites.update_one({"_id": mx_group}, {"$pull": {"slots": {"slot": slot}}})
        del self._to_disconnect[slot]
