"""Honeypot addresses in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.mongo import mongo_errors

PER_DOMAIN = 10_000


@dataclass(frozen=True, slots=True)
class Honeypot:
    """A hidden address that only harvesters of addresses find; `hits` counts the messages to it."""

    address: str
    domain: str
    comment: str
    created_at: datetime
    hits: int = 0
    last_hit_at: datetime | None = None


class MongoHoneypots:
    """The collection `honeypots`: {_id: address, domain, comment, created_at, hits, last_hit_at}.

    All methods raise `Temporary`.
    """

    def __init__(self, database: Any) -> None:
        self._honeypots = database["honeypots"]

    async def prepare(self) -> None:
        """Create the indexes."""
        with mongo_errors("honeypots"):
            await self._honeypots.create_index([("domain", 1), ("_id", 1)])

    async def addresses_of(self, domain: str) -> Sequence[str]:
        """Return the honeypots of a domain."""
        with mongo_errors("honeypots"):
            cursor = self._honeypots.find({"domain": domain}, {"_id": 1}).limit(PER_DOMAIN)
            return [found["_id"] async for found in cursor]

    async def add(self, honeypot: Honeypot) -> Honeypot:
        """Return the stored honeypot: this one, or the existing one of the address with this comment."""
        new = {"domain": honeypot.domain, "created_at": honeypot.created_at, "hits": 0, "last_hit_at": None}
        with mongo_errors("honeypots"):
            return _honeypot(
                await self._honeypots.find_one_and_update(
                    {"_id": honeypot.address},
                    {"$set": {"comment": honeypot.comment}, "$setOnInsert": new},
                    upsert=True,
                    return_document=True,
                )
            )

    async def page(self, domain: str, *, after: str, limit: int) -> Sequence[Honeypot]:
        """Return the honeypots after the address `after`, ordered by address."""
        with mongo_errors("honeypots"):
            cursor = self._honeypots.find({"domain": domain, "_id": {"$gt": after}}).sort("_id", 1).limit(limit)
            return [_honeypot(found) async for found in cursor]

    async def delete(self, address: str) -> Honeypot | None:
        """Delete a honeypot and return it; None when there was none."""
        with mongo_errors("honeypots"):
            found = await self._honeypots.find_one_and_delete({"_id": address})
        return _honeypot(found) if found else None

    async def record_hits(self, addresses: Sequence[str], now: datetime) -> None:
        """Count a message to each of the addresses."""
        with mongo_errors("honeypots"):
            await self._honeypots.update_many(
                {"_id": {"$in": list(addresses)}}, {"$inc": {"hits": 1}, "$set": {"last_hit_at": now}}
            )


def _honeypot(document: Mapping[str, Any]) -> Honeypot:
    return Honeypot(document["_id"], *(document[name] for name in _FIELDS))


_FIELDS = ("domain", "comment", "created_at", "hits", "last_hit_at")
