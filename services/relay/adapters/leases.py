"""Leases of processes and slots for connections in MongoDB.

`holders` {_id, until} has a lease for each process of relay, renewed every few seconds; the entries that a process
without a valid lease has claimed are queued again, and its connections no longer count. `sites` {_id, slots: [{holder,
slot}], used_at} counts the connections of the whole cluster to each MX group.
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
    """`monotonic` is in seconds: the wall clock does not decide whether the lease of this process is valid."""

    def __init__(self, database: Any, *, holder: str, monotonic: Callable[[], float]) -> None:
        self._holders = database["holders"]
        self._entries = database["deliveries"]
        self._sites = database["sites"]
        self.holder = holder
        self._monotonic = monotonic
        self._unreleased_slots: dict[str, str] = {}
        self._renewed_at: float | None = None
        self._renewing_since: float | None = None

    async def prepare(self) -> None:
        """Create the indexes, by which MongoDB deletes expired documents."""
        with mongo_errors("outbound queue"):
            await self._holders.create_index("until", expireAfterSeconds=86_400)
            await self._sites.create_index("used_at", expireAfterSeconds=86_400)

    @property
    def is_valid(self) -> bool:
        """Whether the lease of this process is surely valid."""
        return self._renewed_at is not None and self._monotonic() - self._renewed_at < LEASE.total_seconds() * 3 / 4

    async def renew(self, *, now: datetime) -> None:
        """Renew the lease of this process. Raises `Temporary`; then the lease runs to its end."""
        began = self._monotonic()
        try:
            with mongo_errors("outbound queue"):
                await self._holders.update_one({"_id": self.holder}, {"$set": {"until": now + LEASE}}, upsert=True)
        except Exception:
            self._renewing_since = None
            raise
        if not self.is_valid:
            self._renewing_since = began
        self._renewed_at = began
        for slot, mx_group in list(self._unreleased_slots.items()):
            await self.release_slot(mx_group, slot)
        self._renewing_since = self._renewing_since if self._renewing_since is not None else began

    async def expired(self, *, now: datetime) -> list[str]:
        """Holders of entries or slots whose lease has expired.

        After an outage of the database each process has the time of a lease to return and to write its outcomes.
        """
        if self._renewing_since is None or self._monotonic() - self._renewing_since < LEASE.total_seconds():
            return []
        with mongo_errors("outbound queue"):
            having = set(await self._entries.distinct("lease.holder", {"state": State.SENDING}))
            connected = set(await self._sites.distinct("slots.holder"))
            living = {document["_id"] async for document in self._holders.find({"until": {"$gt": now}}, {"_id": 1})}
        return sorted((having | connected) - living - {self.holder})

    async def remove(self, holders: list[str]) -> None:
        """Remove the leases of `holders`, and stop counting their connections."""
        with mongo_errors("outbound queue"):
            await self._sites.update_many(
                {"slots.holder": {"$in": holders}}, {"$pull": {"slots": {"holder": {"$in": holders}}}}
            )
            await self._holders.delete_many({"_id": {"$in": holders}})

    async def acquire_slot(self, mx_group: str, *, limit: int, now: datetime) -> str | None:
        """A slot for one connection to `mx_group`; None when the cluster has reached its limit."""
        slot = uuid.uuid4().hex
        room = {"_id": mx_group, f"slots.{limit - 1}": {"$exists": False}}
        change = {"$push": {"slots": {"holder": self.holder, "slot": slot}}, "$set": {"used_at": now}}
        try:
            with mongo_errors("outbound queue"):
                await self._sites.update_one(room, change, upsert=True)
        except DuplicateKey:
            return None  # the group exists, and is full
        return slot

    async def release_slot(self, mx_group: str, slot: str) -> None:
        """Return the slot of a closed connection; after a failure it is returned with the next renewal."""
        self._unreleased_slots[slot] = mx_group
        with mongo_errors("outbound queue"):
            await self._sites.update_one({"_id": mx_group}, {"$pull": {"slots": {"slot": slot}}})
        del self._unreleased_slots[slot]
