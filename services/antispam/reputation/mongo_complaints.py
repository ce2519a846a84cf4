"""Complaints in MongoDB: one document for each subject, with its recent complainants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from libs.mongo import UpdateOne, mongo_errors
from services.antispam.reputation.complaints import ComplaintSubject, ComplaintThresholds, SubjectKind

_MAX_COMPLAINANTS = 200  # the latest of a subject, far more than any threshold
_CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class SubjectComplaints:
    """A subject with its complainants and the time of the last complaint."""

    subject: ComplaintSubject
    complainants: Sequence[str]
    last_at: datetime


class MongoComplaints:
    """The collection `complaints`: {_id: {kind, value}, by: [{who, at}], count, until}.

    Each complainant counts once, for `retention`. A complaint is one atomic write, whatever other replicas do. MongoDB
    deletes subjects without recent complaints. All methods raise `Temporary`.
    """

    def __init__(self, database: Any, *, retention: timedelta) -> None:
        self._complaints = database["complaints"]
        self._retention = retention

    async def prepare(self) -> None:
        """Create the indexes."""
        with mongo_errors("complaints"):
            await self._complaints.create_index("until", expireAfterSeconds=0)
            await self._complaints.create_index([("_id.kind", 1), ("count", -1)])

    async def complain(self, subjects: Sequence[ComplaintSubject], complainant: str, now: datetime) -> None:
        """Record that `complainant` complains; a repeated complaint only gets a new date."""
        one = {"who": {"$literal": complainant}, "at": now}
        await self._write(subjects, {"$concatArrays": [self._others(complainant, now), [one]]}, now, upsert=True)

    async def withdraw(self, subjects: Sequence[ComplaintSubject], complainant: str, now: datetime) -> None:
        """Remove the complaints of `complainant`."""
        await self._write(subjects, self._others(complainant, now), now, upsert=False)

    async def over_threshold(self, thresholds: ComplaintThresholds, now: datetime) -> Mapping[ComplaintSubject, int]:
        """Return the subjects that are over their threshold now, with their numbers of complainants."""
        found: dict[ComplaintSubject, int] = {}
        for kind in get_args(SubjectKind):
            least = thresholds.of(kind)
            stages = [
                {"$match": {"_id.kind": kind, "count": {"$gte": least}}},
                {"$sort": {"count": -1}},
                {"$limit": _CAPACITY},
                {"$project": {"recent": {"$size": self._recent(now)}}},
                {"$match": {"recent": {"$gte": least}}},
            ]
            with mongo_errors("complaints"):
                async for document in await self._complaints.aggregate(stages):
                    found[ComplaintSubject(**document["_id"])] = document["recent"]
        return found

    async def page(self, kind: SubjectKind, now: datetime, *, after: str, limit: int) -> Sequence[SubjectComplaints]:
        """Return the subjects after the value `after`, ordered by value."""
        between = {"$gt": {"kind": kind, "value": after}, "$lt": {"kind": kind, "value": chr(0x10FFFF)}}
        with mongo_errors("complaints"):
            cursor = self._complaints.find({"_id": between, "until": {"$gt": now}, "count": {"$gt": 0}})
            return [self._complained(found, now) async for found in cursor.sort("_id", 1).limit(limit)]

    async def clear(self, subject: ComplaintSubject) -> bool:
        """Delete all complaints about a subject; False when there were none."""
        with mongo_errors("complaints"):
            done = await self._complaints.delete_one({"_id": _id(subject)})
        return bool(done.deleted_count)

    async def _write(
        self, subjects: Sequence[ComplaintSubject], complainants: Any, now: datetime, *, upsert: bool
    ) -> None:
        change: list[dict[str, Any]] = [
            {"$set": {"by": {"$slice": [complainants, -_MAX_COMPLAINANTS]}}},
            {"$set": {"count": {"$size": "$by"}, "until": now + self._retention}},
        ]
        if subjects:
            with mongo_errors("complaints"):
                writes = [UpdateOne({"_id": _id(subject)}, change, upsert=upsert) for subject in subjects]
                await self._complaints.bulk_write(writes, ordered=False)

    def _recent(self, now: datetime) -> Any:
        """Return the expression of the recent complaints: an expired document that is not deleted yet has none."""
        known = {"$ifNull": ["$by", []]}
        return {"$filter": {"input": known, "cond": {"$gt": ["$$this.at", now - self._retention]}}}

    def _others(self, complainant: str, now: datetime) -> Any:
        # With `$literal`, a name that begins with a dollar sign is not read as a path.
        return {"$filter": {"input": self._recent(now), "cond": {"$ne": ["$$this.who", {"$literal": complainant}]}}}

    def _complained(self, document: Mapping[str, Any], now: datetime) -> SubjectComplaints:
        recent = [one for one in document["by"] if one["at"] > now - self._retention]
        last = max((one["at"] for one in recent), default=document["until"] - self._retention)
        return SubjectComplaints(ComplaintSubject(**document["_id"]), [one["who"] for one in recent], last)


def _id(subject: ComplaintSubject) -> dict[str, str]:
    return {"kind": subject.kind, "value": subject.value}
