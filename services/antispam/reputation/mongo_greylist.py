"""Triplets and known networks in MongoDB (R-IN-14)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from libs.mongo import DuplicateKey, mongo_errors
from services.antispam.reputation.greylist import GreylistState, GreylistTimes, Triplet, to_milliseconds


class MongoGreylist:
    """`greylist`: {_id: digest of the triplet, first, passed, until}; `greylist_networks`: {_id: network, passes,
    until}. Every step is one atomic write, so that replicas never disagree; MongoDB deletes what is over.
    """

    def __init__(self, database: Any, times: GreylistTimes) -> None:
        self._triplets = database["greylist"]
        self._networks = database["greylist_networks"]
        self._times = times

    async def prepare(self) -> None:
        """Create the indexes. Raises `Temporary`."""
        with mongo_errors("greylist"):
            await self._triplets.create_index("until", expireAfterSeconds=0)
            await self._networks.create_index("until", expireAfterSeconds=0)

    async def network_passes(self, network: str, now: datetime) -> int:
        """Triplets of this network that passed; asking is news of it. Raises `Temporary`."""
        with mongo_errors("greylist"):
            found = await self._networks.find_one_and_update(
                {"_id": network, "until": {"$gt": now}}, {"$max": {"until": now + self._times.memory}}
            )
        return found["passes"] if found else 0

    async def record_attempt(self, triplet: Triplet, now: datetime) -> GreylistState:
        """It is here (again). Raises `Temporary`."""
        now = to_milliseconds(now)
        with mongo_errors("greylist"):
            found = await self._changed(self._triplets, triplet.key, self._met(now))
            newly = found["passed"] == now
            if newly:
                await self._changed(self._networks, triplet.network, self._passed(now))
        return GreylistState(found["first"], found["passed"], newly)

    async def forget(self, network: str) -> None:
        """It has to wait again with what is new. Raises `Temporary`."""
        with mongo_errors("greylist"):
            await self._networks.delete_one({"_id": network})

    def _met(self, now: datetime) -> list[dict[str, Any]]:
        """A triplet whose time is over, deleted yet or not, starts anew."""
        times = self._times
        running = {"$gt": ["$until", now]}
        waits = {"$eq": ["$passed", None]}
        ripe = {"$and": [waits, {"$lte": ["$first", now - times.delay]}]}
        window = int(times.window.total_seconds() * 1000)
        return [
            {
                "$set": {
                    "first": {"$cond": [running, "$first", now]},
                    "passed": {"$cond": [running, {"$ifNull": ["$passed", None]}, None]},
                }
            },
            {"$set": {"passed": {"$cond": [ripe, now, "$passed"]}}},
            {"$set": {"until": {"$cond": [waits, {"$add": ["$first", window]}, now + times.memory]}}},
        ]

    def _passed(self, now: datetime) -> list[dict[str, Any]]:
        running = {"$gt": ["$until", now]}
        passes = {"$cond": [running, {"$add": ["$passes", 1]}, 1]}
        return [{"$set": {"passes": passes, "until": now + self._times.memory}}]

    async def _changed(self, collection: Any, key: str, change: Sequence[Any]) -> dict[str, Any]:
        try:
            return await self._upserted(collection, key, change)
        except DuplicateKey:  # another replica was quicker by a hair to make it; now it is there to be changed
            return await self._upserted(collection, key, change)

    async def _upserted(self, collection: Any, key: str, change: Sequence[Any]) -> dict[str, Any]:
        found: dict[str, Any] = await collection.find_one_and_update(
            {"_id": key}, change, upsert=True, return_document=True
        )
        return found
