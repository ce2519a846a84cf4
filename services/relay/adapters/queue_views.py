"""Lists and manages the outbound queue for operators."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from libs.mongo import mongo_errors
from services.relay.adapters.bodies import Bodies
from services.relay.adapters.documents import entry_of
from services.relay.domain.entries import Entry, State

_BY_DESTINATION = {"state": {"$in": list(State)}, "bulk": {"$in": [0, 1]}}  # the fields before it in the index


class QueueViews:
    """Reads and changes the documents of `MongoQueue`."""

    def __init__(self, database: Any, bodies: Bodies, *, done_retention: timedelta) -> None:
        self._bodies = bodies
        self._entries = database["deliveries"]
        self._destinations = database["destinations"]
        self._done_retention = done_retention

    async def listing(
        self, *, state: State | None, destination: str | None, after: str | None, limit: int
    ) -> list[Entry]:
        """A page of entries in the order of their ids, which is chronological."""
        query: dict[str, Any] = {}
        query |= {"destination": destination, **_BY_DESTINATION} if destination else {}
        query |= {"state": state} if state else {}
        query |= {"_id": {"$gt": after}} if after else {}
        with mongo_errors("outbound queue"):
            return [entry_of(document) async for document in self._entries.find(query).sort("_id", 1).limit(limit)]

    async def hasten(self, id: str, *, now: datetime) -> str | None:
        """Make a queued entry due, and return its destination; None when it is not queued."""
        waits = {"_id": id, "state": State.QUEUED}
        with mongo_errors("outbound queue"):
            found = await self._entries.find_one_and_update(waits, {"$set": {"next_at": now}})
        return None if found is None else str(found["destination"])

    async def cancel(self, id: str, *, now: datetime) -> bool:
        """Cancel a queued entry without a report; False when it is not queued."""
        change = {"state": State.CANCELLED, "expires_at": now + self._done_retention}
        with mongo_errors("outbound queue"):
            found = await self._entries.find_one_and_update(
                {"_id": id, "state": State.QUEUED}, {"$set": change, "$unset": {"report": ""}}
            )
        if found is not None:
            self._bodies.done([found["message"]])
        return found is not None

    async def suspend(self, destination: str, *, suspended: bool) -> None:
        """Suspend or resume all mail for `destination`."""
        with mongo_errors("outbound queue"):
            if suspended:
                change = {"$set": {"suspended": True}}
                await self._destinations.update_one({"_id": destination}, change, upsert=True)
            else:
                await self._destinations.delete_one({"_id": destination})

    async def destinations(self) -> list[dict[str, Any]]:
        """The destinations with queued mail, and suspended ones: {destination, waiting, suspended}."""
        alive = {"$match": {"state": {"$in": [State.QUEUED, State.SENDING]}}}
        count = {"$group": {"_id": "$destination", "waiting": {"$sum": 1}}}
        with mongo_errors("outbound queue"):
            waiting = {d["_id"]: d["waiting"] async for d in await self._entries.aggregate([alive, count])}
            suspended = {d["_id"] async for d in self._destinations.find({"suspended": True})}
        names = sorted({*waiting, *suspended})
        return [{"destination": n, "waiting": waiting.get(n, 0), "suspended": n in suspended} for n in names]

    async def destination(self, name: str) -> dict[str, Any] | None:
        """One destination; None when it has no queued mail and is not suspended."""
        alive = {"destination": name, **_BY_DESTINATION, "state": {"$in": [State.QUEUED, State.SENDING]}}
        with mongo_errors("outbound queue"):
            waiting = await self._entries.count_documents(alive)
            suspended = await self._destinations.find_one({"_id": name, "suspended": True}) is not None
        known = waiting or suspended
        return {"destination": name, "waiting": waiting, "suspended": suspended} if known else None
