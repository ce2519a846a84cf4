"""Statistics in MongoDB: one document per domain and day, one per account and day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.mongo import UpdateOne, mongo_errors

Counts = Mapping[tuple[str, str], Mapping[str, int]]


class MongoCounters:
    """`statistics`: {_id: {domain, day}, counts: {name: number}, until}; `account_statistics`: {_id: {account, day},
    counts, until}. MongoDB deletes both `keep` after their day.
    """

    def __init__(self, database: Any, *, keep: timedelta) -> None:
        self._statistics = database["statistics"]
        self._accounts = database["account_statistics"]
        self._keep = keep

    async def prepare(self) -> None:
        """Create the indexes. Raises `Temporary`."""
        keep = int(self._keep.total_seconds() * 1000)
        until = {"$add": [{"$dateFromString": {"dateString": "$_id.day", "onError": "$$NOW"}}, keep]}
        with mongo_errors("statistics"):
            # Documents of domains were once written without an end.
            await self._statistics.update_many({"until": None}, [{"$set": {"until": until}}])
            for collection in (self._statistics, self._accounts):
                await collection.create_index("until", expireAfterSeconds=0)

    async def add(self, counts: Counts) -> None:
        """Add counts by (domain, ISO day) and name. Raises `Temporary`."""
        await self._add(self._statistics, "domain", counts)

    async def add_for_accounts(self, counts: Counts) -> None:
        """Add counts by (account, ISO day) and name. Raises `Temporary`."""
        await self._add(self._accounts, "account", counts)

    async def days(self, domain: str, *, first: str, last: str) -> Sequence[tuple[str, Mapping[str, int]]]:
        """Read (ISO day, counts) of `domain` from `first` to `last`, both included. Raises `Temporary`."""
        return await self._days(self._statistics, "domain", domain, first, last)

    async def days_of_account(self, account: str, *, first: str, last: str) -> Sequence[tuple[str, Mapping[str, int]]]:
        """Read (ISO day, counts) of `account` from `first` to `last`, both included. Raises `Temporary`."""
        return await self._days(self._accounts, "account", account, first, last)

    async def end_account(self, account: str, *, until: str) -> None:
        """Delete the days of `account` up to the ISO day `until`, so that its next owner sees nothing of them."""
        between = {"$gte": {"account": account, "day": ""}, "$lte": {"account": account, "day": until}}
        with mongo_errors("statistics"):
            await self._accounts.delete_many({"_id": between})

    async def _add(self, collection: Any, kind: str, counts: Counts) -> None:
        writes = [
            UpdateOne(
                {"_id": {kind: name, "day": day}},
                {"$inc": _increments(named), "$setOnInsert": {"until": _day(day) + self._keep}},
                upsert=True,
            )
            for (name, day), named in counts.items()
        ]
        with mongo_errors("statistics"):
            await collection.bulk_write(writes, ordered=False)

    async def _days(
        self, collection: Any, kind: str, name: str, first: str, last: str
    ) -> Sequence[tuple[str, Mapping[str, int]]]:
        between = {"$gte": {kind: name, "day": first}, "$lte": {kind: name, "day": last}}
        with mongo_errors("statistics"):
            cursor = collection.find({"_id": between}).sort("_id", 1)
            return [(document["_id"]["day"], document["counts"]) async for document in cursor]


def _increments(named: Mapping[str, int]) -> dict[str, int]:
    return {f"counts.{name}": number for name, number in named.items()}


def _day(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
