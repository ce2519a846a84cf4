"""Numbers of recipients of the same message over all replicas, in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import UpdateOne, mongo_errors


class MongoMassMailings:
    """The collection `sightings`: {_id: digest, count, until}. An expired entry, deleted or not, starts again."""

    def __init__(self, database: Any, *, window: timedelta) -> None:
        self._counts = database["sightings"]
        self._window = window

    async def prepare(self) -> None:
        """Create the indexes. Raises `Temporary`."""
        with mongo_errors("mass mailings"):
            await self._counts.create_index("until", expireAfterSeconds=0)

    async def add(self, counts: Mapping[str, int], now: datetime) -> Mapping[str, int]:
        """Add counts and return the totals. Raises `Temporary`.

        There are one bulk write and one query for all digests, and each increment is atomic.
        """
        if not counts:
            return {}
        with mongo_errors("mass mailings"):
            await self._counts.bulk_write(
                [
                    UpdateOne({"_id": digest}, self._increment(count, now), upsert=True)
                    for digest, count in counts.items()
                ],
                ordered=False,
            )
            cursor = self._counts.find({"_id": {"$in": list(counts)}})
            return {document["_id"]: document["count"] async for document in cursor}

    def _increment(self, count: int, now: datetime) -> list[dict[str, Any]]:
        is_current = {"$gt": ["$until", now]}
        return [
            {
                "$set": {
                    "count": {"$cond": [is_current, {"$add": ["$count", count]}, count]},
                    "until": {"$cond": [is_current, "$until", now + self._window]},
                }
            }
        ]
