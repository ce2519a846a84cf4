"""Complaints in MongoDB: a document a subject, with its complainants of late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from libs.mongo import UpdateOne, mongo_errors
from services.antispam.reputation.complaints import ComplaintSubject, ComplaintThresholds, SubjectKind

_MOST = 200  # complainants kept of a subject, the latest: far beyond any threshold
_CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class SubjectComplaints:
    """A subject with its complainants, and when the last one came."""

    subject: ComplaintSubject
    complainants: Sequence[str]
    last_at: datetime


class MongoComplaints:
    """`complaints`: {_id: {kind, value}, by: [{who, at}], count, until}. Each complainant counts once, for `memory`.

    A complaint is one atomic write, whoever else complains; MongoDB deletes subjects that nobody complains about any
    more. All methods raise `Temporary`.
    """

    def __init__(self, database: Any, *, memory: timedelta) -> None:
        self._complaints = database["complaints"]
        self._memory = memory

    async def prepare(self) -> None:
        """Create the indexes."""
        with mongo_errors("complaints"):
            await self._complaints.create_index("until", expireAfterSeconds=0)
            await self._complaints.create_index([("_id.kind", 1), ("count", -1)])

    async def complain(self, subjects: Sequence[ComplaintSubject], who: str, now: datetime) -> None:
        """`who` complains; again is once, from now on."""
        one = {"who": {"$literal": who}, "at": now}
        await self._write(subjects, {"$concatArrays": [self._others(who, now), [one]]}, now, upsert=True)

    async def withdraw(self, subjects: Sequence[ComplaintSubject], who: str, now: datetime) -> None:
        """`who` takes it back."""
        await self._write(subjects, self._others(who, now), now, upsert=False)

    async def over_threshold(self, thresholds: ComplaintThresholds, now: datetime) -> Mapping[ComplaintSubject, int]:
        """Subjects over their threshold now, with their complainants."""
        found: dict[ComplaintSubject, int] = {}
        for kind in get_args(SubjectKind):
            least = thresholds.of(kind)
            stages = [
                {"$match": {"_id.kind": kind, "count": {"$gte": least}}},
                {"$sort": {"count": -1}},
                {"$limit": _CAPACITY},
                {"$project": {"fresh": {"$size": self._fresh(now)}}},
                {"$match": {"fresh": {"$gte": least}}},
            ]
            with mongo_errors("complaints"):
                async for document in await self._complaints.aggregate(stages):
                    found[ComplaintSubject(**document["_id"])] = document["fresh"]
        return found

    async def page(self, kind: SubjectKind, now: datetime, *, after: str, limit: int) -> Sequence[SubjectComplaints]:
        """By value, behind `after`."""
        between = {"$gt": {"kind": kind, "value": after}, "$lt": {"kind": kind, "value": chr(0x10FFFF)}}
        with mongo_errors("complaints"):
            cursor = self._complaints.find({"_id": between, "until": {"$gt": now}, "count": {"$gt": 0}})
            return [self._complained(found, now) async for found in cursor.sort("_id", 1).limit(limit)]

    async def clear(self, subject: ComplaintSubject) -> bool:
        """All complaints about it are forgotten; False when there were none."""
        with mongo_errors("complaints"):
            done = await self._complaints.delete_one({"_id": _id(subject)})
        return bool(done.deleted_count)

    async def _write(
        self, subjects: Sequence[ComplaintSubject], complainants: Any, now: datetime, *, upsert: bool
    ) -> None:
        change: list[dict[str, Any]] = [
            {"$set": {"by": {"$slice": [complainants, -_MOST]}}},
            {"$set": {"count": {"$size": "$by"}, "until": now + self._memory}},
        ]
        if subjects:
            with mongo_errors("complaints"):
                writes = [UpdateOne({"_id": _id(subject)}, change, upsert=upsert) for subject in subjects]
                await self._complaints.bulk_write(writes, ordered=False)

    def _fresh(self, now: datetime) -> Any:
        """A document that is over and not deleted yet counts as none."""
        known = {"$ifNull": ["$by", []]}
        return {"$filter": {"input": known, "cond": {"$gt": ["$$this.at", now - self._memory]}}}

    def _others(self, who: str, now: datetime) -> Any:
        # `$literal`: a name that begins with a dollar sign is no path
        return {"$filter": {"input": self._fresh(now), "cond": {"$ne": ["$$this.who", {"$literal": who}]}}}

    def _complained(self, document: Mapping[str, Any], now: datetime) -> SubjectComplaints:
        fresh = [one for one in document["by"] if one["at"] > now - self._memory]
        last = max((one["at"] for one in fresh), default=document["until"] - self._memory)
        return SubjectComplaints(ComplaintSubject(**document["_id"]), [one["who"] for one in fresh], last)


def _id(subject: ComplaintSubject) -> dict[str, str]:
    return {"kind": subject.kind, "value": subject.value}
