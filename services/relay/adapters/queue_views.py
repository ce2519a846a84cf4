"""The outbound queue as operators see and manage it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from libs.mongo import mongo_errors
from services.relay.adapters.bodies import Bodies
from services.relay.adapters.documents import entry_of
from services.relay.domain.entries import Entry, State

_BY_DESTINATION = {"state": {"$in": list(State)}, "bulk": {"$in": [0, 1]}}  # what stands before it in the index


class QueueViews:
    """Over the same documents as `MongoQueue`."""

    def __init__(self, database: Any, bodies: Bodies, *, keep_done: timedelta) -> None:
        self._bodies = bodies
        self._entries = database["deliveries"]
        self._destinations = database["destinations"]
        self._keep_done = keep_done

    async def listing(
        self, *, state: State | None, destination: str | None, after: str | None, limit: int
    ) -> list[Entry]:
        """In the order of their ids, which is that of time."""
        query: dict[str, Any] = {}
        query |= {"destination": destination, **_BY_DESTINATION} if destination else {}
        query |= {"state": state} if state else {}
        query |= {"_id": {"$gt": after}} if after else {}
        with mongo_errors("outbound queue"):
            return [entry_of(document) async for document in self._entries.find(query).sort("_id", 1).limit(limit)]

    async def hasten(self, id: str, *, now: datetime) -> str | None:
        """Try it now; its destination, None when it does not wait."""
        waits = {"_id": id, "state": State.QUEUED}
        with mongo_errors("outbound queue"):
            found = await self._entries.find_one_and_update(waits, {"$set": {"next_at": now}})
        return None if found is None else str(found["destination"])

    async def cancel(self, id: str, *, now: datetime) -> bool:
        """Never try it again and tell nobody; False when it does not wait."""
        change = {"state": State.CANCELLED, "expires_at": now + self._keep_done}
        with mongo_errors("outbound queue"):
            found = await self._entries.find_one_and_update(
                {"_id": id, "state": State.QUEUED}, {"$set": change, "$unset": {"report": ""}}
            )
        if found is not None:
            self._bodies.done([found["message"]])
        return found is not None

    async def suspend(self, destination: str, *, suspended: bool) -> None:
        """Hold or free all mail for `destination`."""
        with mongo_errors("outbound queue"):
            if suspended:
                change = {"$set": {"suspended": True}}
                await self._destinations.update_one({"_id": destination}, change, upsert=True)
            else:
                await self._destinations.delete_one({"_id": destination})

    async def destinations(self) -> list[dict[str, Any]]:
        """Those with mail that waits or that are suspended: {destination, waiting, suspended}."""
        alive = {"$match": {"state": {"$in": [State.QUEUED, State.SENDING]}}}
        count = {"$group": {"_id": "$destination", "waiting": {"$sum": 1}}}
        with mongo_errors("outbound queue"):
            waiting = {d["_id"]: d["waiting"] async for d in await self._entries.aggregate([alive, count])}
            suspended = {d["_id"] async for d in self._destinations.find({"suspended": True})}
        names = sorted({*waiting, *suspended})
        return [{"destination": n, "waiting": waiting.get(n, 0), "suspended": n in suspended} for n in names]

    async def destination(self, name: str) -> dict[str, Any] | None:
        """One of them; None when no mail waits for it and nobody holds it."""
        alive = {"destination": name, **_BY_DESTINATION, "state": {"$in": [State.QUEUED, State.SENDING]}}
        with mongo_errors("outbound queue"):
            waiting = await self._entries.count_documents(alive)
            suspended = await self._destinations.find_one({"_id": name, "suspended": True}) is not None
        known = waiting or suspended
        return {"destination": name, "waiting": waiting, "suspended": suspended} if known else None
