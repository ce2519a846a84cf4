"""Triplets and known networks of greylisting in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from libs.mongo import DuplicateKey, mongo_errors
from services.antispam.reputation.greylist import GreylistState, GreylistTimes, Triplet, to_milliseconds


class MongoGreylist:
    """The collections `greylist` and `greylist_networks`.

    `greylist`: {_id: digest of the triplet, first, passed, until}; `greylist_networks`: {_id: network, passes, until}.
    Every step is one atomic write, so that replicas never disagree. MongoDB deletes documents after `until`.
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
        """Return how many triplets of a network passed, and extend its retention. Raises `Temporary`."""
        with mongo_errors("greylist"):
            found = await self._networks.find_one_and_update(
                {"_id": network, "until": {"$gt": now}}, {"$max": {"until": now + self._times.retention}}
            )
        return found["passes"] if found else 0

    async def record_attempt(self, triplet: Triplet, now: datetime) -> GreylistState:
        """Record an attempt of a triplet and return its state. Raises `Temporary`."""
        now = to_milliseconds(now)
        with mongo_errors("greylist"):
            found = await self._update(self._triplets, triplet.key, self._attempt_update(now))
            newly = found["passed"] == now
            if newly:
                await self._update(self._networks, triplet.network, self._pass_update(now))
        return GreylistState(found["first"], found["passed"], newly)

    async def forget(self, network: str) -> bool:
        """Delete a network, whose new triplets then wait again; False without it. Raises `Temporary`."""
        with mongo_errors("greylist"):
            return bool((await self._networks.delete_one({"_id": network})).deleted_count)

    def _attempt_update(self, now: datetime) -> list[dict[str, Any]]:
        """Return the update of a triplet; one that is expired, deleted or not, starts again."""
        times = self._times
        is_current = {"$gt": ["$until", now]}
        is_waiting = {"$eq": ["$passed", None]}
        delay_is_over = {"$and": [is_waiting, {"$lte": ["$first", now - times.delay]}]}
        window = int(times.retry_window.total_seconds() * 1000)
        return [
            {
                "$set": {
                    "first": {"$cond": [is_current, "$first", now]},
                    "passed": {"$cond": [is_current, {"$ifNull": ["$passed", None]}, None]},
                }
            },
            {"$set": {"passed": {"$cond": [delay_is_over, now, "$passed"]}}},
            {"$set": {"until": {"$cond": [is_waiting, {"$add": ["$first", window]}, now + times.retention]}}},
        ]

    def _pass_update(self, now: datetime) -> list[dict[str, Any]]:
        is_current = {"$gt": ["$until", now]}
        passes = {"$cond": [is_current, {"$add": ["$passes", 1]}, 1]}
        return [{"$set": {"passes": passes, "until": now + self._times.retention}}]

    async def _update(self, collection: Any, key: str, change: Sequence[Any]) -> dict[str, Any]:
        try:
            return await self._upsert(collection, key, change)
        except DuplicateKey:  # another replica inserted it at the same moment; now it can be updated
            return await self._upsert(collection, key, change)

    async def _upsert(self, collection: Any, key: str, change: Sequence[Any]) -> dict[str, Any]:
        found: dict[str, Any] = await collection.find_one_and_update(
            {"_id": key}, change, upsert=True, return_document=True
        )
        return found
