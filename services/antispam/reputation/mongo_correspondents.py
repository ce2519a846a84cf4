"""The automatic whitelist in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import UpdateOne, mongo_errors
from services.antispam.reputation.correspondents import Correspondent, CorrespondentKey


@dataclass(frozen=True, slots=True)
class WhitelistEntry:
    """An entry of the automatic whitelist for administrators."""

    address: str
    correspondent: Correspondent
    since: datetime
    last_at: datetime
    until: datetime


class MongoCorrespondents:
    """The collection `correspondents`: {_id: {domain, address}, validated, times, since, last, until}.

    MongoDB deletes documents after `until`. All methods raise `Temporary`.
    """

    def __init__(self, database: Any, *, retention: timedelta) -> None:
        self._correspondents = database["correspondents"]
        self._retention = retention

    async def prepare(self) -> None:
        """Create the indexes."""
        with mongo_errors("correspondents"):
            await self._correspondents.create_index("until", expireAfterSeconds=0)

    async def find(
        self, wanted: Collection[CorrespondentKey], now: datetime
    ) -> Mapping[CorrespondentKey, Correspondent]:
        """Return the correspondents among `wanted`, by one query."""
        ids = [_id(one) for one in wanted]
        with mongo_errors("correspondents"):
            cursor = self._correspondents.find({"_id": {"$in": ids}, "until": {"$gt": now}}, _PROJECTION)
            return {CorrespondentKey(**found["_id"]): _correspondent(found) async for found in cursor}

    async def record(self, wanted: Collection[CorrespondentKey], *, validated: bool, now: datetime) -> None:
        """Count a message or a validation; an event that is heard twice counts twice, for `times` is only a weight."""
        change = {
            "$max": {"last": now, "until": now + self._retention, "validated": validated},
            "$inc": {"times": int(not validated)},
            "$setOnInsert": {"since": now},
        }
        with mongo_errors("correspondents"):
            await self._correspondents.bulk_write(
                [UpdateOne({"_id": _id(one)}, change, upsert=True) for one in wanted], ordered=False
            )

    async def page(self, domain: str, now: datetime, *, after: str, limit: int) -> Sequence[WhitelistEntry]:
        """Return the entries after the address `after`, ordered by address."""
        between = {"$gt": {"domain": domain, "address": after}, "$lt": {"domain": domain, "address": chr(0x10FFFF)}}
        with mongo_errors("correspondents"):
            cursor = self._correspondents.find({"_id": between, "until": {"$gt": now}}).sort("_id", 1).limit(limit)
            return [_listed(found) async for found in cursor]

    async def entry(self, one: CorrespondentKey, now: datetime) -> WhitelistEntry | None:
        """Return the entry of one correspondent; None when there is none."""
        with mongo_errors("correspondents"):
            found = await self._correspondents.find_one({"_id": _id(one), "until": {"$gt": now}})
        return _listed(found) if found else None

    async def delete(self, one: CorrespondentKey) -> bool:
        """Delete a correspondent; False when there was none."""
        with mongo_errors("correspondents"):
            done = await self._correspondents.delete_one({"_id": _id(one)})
        return bool(done.deleted_count)


_PROJECTION = {"validated": 1, "times": 1}


def _id(one: CorrespondentKey) -> dict[str, str]:
    return {"domain": one.domain, "address": one.address}


def _correspondent(document: Mapping[str, Any]) -> Correspondent:
    return Correspondent(document["validated"], document["times"])


def _listed(document: Mapping[str, Any]) -> WhitelistEntry:
    return WhitelistEntry(
        document["_id"]["address"], _correspondent(document), *(document[name] for name in ("since", "last", "until"))
    )
