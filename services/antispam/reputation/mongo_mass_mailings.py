"""Shared counts of the same message in MongoDB (R-SPAM-21)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import UpdateOne, mongo_errors


class MongoMassMailings:
    """`sightings`: {_id: digest, count, until}. An entry that is over starts anew, deleted yet or not."""

    def __init__(self, database: Any, *, window: timedelta) -> None:
        self._sightings = database["sightings"]
        self._window = window

    async def prepare(self) -> None:
        """Create the indexes. Raises `Temporary`."""
        with mongo_errors("sightings"):
            await self._sightings.create_index("until", expireAfterSeconds=0)

    async def add(self, counts: Mapping[str, int], now: datetime) -> Mapping[str, int]:
        """One bulk write and one query, however many digests; each increment is atomic."""
        if not counts:
            return {}
        with mongo_errors("sightings"):
            await self._sightings.bulk_write(
                [UpdateOne({"_id": digest}, self._added(count, now), upsert=True) for digest, count in counts.items()],
                ordered=False,
            )
            cursor = self._sightings.find({"_id": {"$in": list(counts)}})
            return {document["_id"]: document["count"] async for document in cursor}

    def _added(self, count: int, now: datetime) -> list[dict[str, Any]]:
        running = {"$gt": ["$until", now]}
        return [
            {
                "$set": {
                    "count": {"$cond": [running, {"$add": ["$count", count]}, count]},
                    "until": {"$cond": [running, "$until", now + self._window]},
                }
            }
        ]
