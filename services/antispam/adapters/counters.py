"""Statistics in MongoDB: a document a domain and day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from libs.mongo import UpdateOne, mongo_errors


class MongoCounters:
    """`statistics`: {_id: {domain, day}, counts: {name: number}}."""

    def __init__(self, database: Any) -> None:
        self._statistics = database["statistics"]

    async def add(self, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
        writes = [
            UpdateOne(
                {"_id": {"domain": domain, "day": day}},
                {"$inc": {f"counts.{name}": number for name, number in named.items()}},
                upsert=True,
            )
            for (domain, day), named in counts.items()
        ]
        with mongo_errors("statistics"):
            await self._statistics.bulk_write(writes, ordered=False)

    async def days(self, domain: str, *, first: str, last: str) -> Sequence[tuple[str, Mapping[str, int]]]:
        """(ISO day, counts) of `domain`, both ends included. Raises `Temporary`."""
        between = {"$gte": {"domain": domain, "day": first}, "$lte": {"domain": domain, "day": last}}
        with mongo_errors("statistics"):
            cursor = self._statistics.find({"_id": between}).sort("_id", 1)
            return [(document["_id"]["day"], document["counts"]) async for document in cursor]
