"""Statistics in MongoDB.

`attachments` {_id: SHA-256 in hex, seen, size_bytes, first_seen, last_seen}, gone some time after the last sight;
`days` {_id: {day, what, name}, times, until}, of which there are as many as viruses have names, gone at `until`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import UpdateOne, mongo_errors
from services.antivirus.ports import AttachmentCount, DayCount

_EXPIRY = "expiry"
_AT_A_TIME = 1000


class MongoCounts:
    """Adds up; every write is of many at once."""

    def __init__(self, database: Any, *, kept: timedelta, days_kept: timedelta) -> None:
        self._database = database
        self._attachments = database["attachments"]
        self._days = database["days"]
        self._kept_seconds = int(kept.total_seconds())
        self._days_kept = days_kept

    async def open(self) -> None:
        """Create the indexes; a changed time to keep takes effect. Raises `Temporary`."""
        with mongo_errors("attachments"):
            await self._attachments.create_index([("seen", -1), ("_id", 1)])
            indexes = await self._attachments.index_information()
            if indexes.get(_EXPIRY, {}).get("expireAfterSeconds", self._kept_seconds) != self._kept_seconds:
                await self._attachments.drop_index(_EXPIRY)
            await self._attachments.create_index("last_seen", name=_EXPIRY, expireAfterSeconds=self._kept_seconds)
            await self._days.create_index("until", expireAfterSeconds=0)
            # Days that were written before they had an end.
            ending = {"$dateFromString": {"dateString": "$_id.day"}}
            milliseconds = int(self._days_kept.total_seconds() * 1000)
            await self._days.update_many({"until": None}, [{"$set": {"until": {"$add": [ending, milliseconds]}}}])

    async def add_attachments(self, seen: Mapping[bytes, tuple[int, int]], now: datetime) -> None:
        """Digest to (times, size in octets)."""
        await self._write(self._attachments, [_seen(digest, *count, now) for digest, count in seen.items()])

    async def add_events(self, counts: Mapping[tuple[str, str], int], now: datetime) -> None:
        """(what, name) to times, on the day of `now` (UTC)."""
        day = now.date().isoformat()
        until = now + self._days_kept
        await self._write(
            self._days,
            [
                UpdateOne(
                    {"_id": {"day": day, "what": what, "name": name}},
                    {"$inc": {"times": times}, "$max": {"until": until}},
                    upsert=True,
                )
                for (what, name), times in counts.items()
            ],
        )

    async def seen(self, digests: Sequence[bytes]) -> dict[bytes, int]:
        """Return how often each recently seen digest was seen."""
        wanted = {"_id": {"$in": [digest.hex() for digest in digests]}}
        with mongo_errors("attachments"):
            query = self._attachments.find(wanted, {"seen": 1})
            return {bytes.fromhex(document["_id"]): document["seen"] async for document in query}

    async def most_seen(self, *, after: tuple[int, str] | None, limit: int) -> list[AttachmentCount]:
        """The most frequent first, behind (times, hex digest)."""
        wanted: dict[str, Any] = {}
        if after:
            times, digest = after
            wanted = {"$or": [{"seen": {"$lt": times}}, {"seen": times, "_id": {"$gt": digest}}]}
        with mongo_errors("attachments"):
            query = self._attachments.find(wanted).sort([("seen", -1), ("_id", 1)]).limit(limit)
            return [_attachment(document) async for document in query]

    async def days(self, *, first: str, last: str) -> list[DayCount]:
        """All counts of the days from `first` to `last` (ISO dates, both included)."""
        span = {"_id": {"$gte": {"day": first}, "$lt": {"day": last + "~"}}}
        with mongo_errors("days"):
            return [
                DayCount(times=document["times"], **document["_id"])
                async for document in self._days.find(span).sort("_id")
            ]

    async def _write(self, collection: Any, updates: Sequence[UpdateOne]) -> None:
        for start in range(0, len(updates), _AT_A_TIME):
            with mongo_errors("counts"):
                await collection.bulk_write(list(updates[start : start + _AT_A_TIME]), ordered=False)


def _seen(digest: bytes, times: int, size: int, now: datetime) -> UpdateOne:
    update = {
        "$inc": {"seen": times},
        "$set": {"last_seen": now},
        "$setOnInsert": {"first_seen": now, "size_bytes": size},
    }
    return UpdateOne({"_id": digest.hex()}, update, upsert=True)


def _attachment(document: Mapping[str, Any]) -> AttachmentCount:
    return AttachmentCount(
        sha256=document["_id"],
        seen=document["seen"],
        size_bytes=document["size_bytes"],
        first_seen=document["first_seen"],
        last_seen=document["last_seen"],
    )
