"""The record of digests, so that each period is sent once, however many replicas run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import DuplicateKey, mongo_errors
from services.store.mailboxes.schema import Collections
from services.store.quarantine.digest import DigestPeriod
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.mongo_quarantine import readable_message

RECORD_KEEP = timedelta(days=40)  # longer than any period


class MongoDigests:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, collections: Collections, *, lease: timedelta, clock: Callable[[], datetime]) -> None:
        self._digests: Any = collections.digests
        self._entries: Any = collections.quarantine
        self._lease = lease
        self._clock = clock

    async def domains(self) -> list[str]:
        """Return the domains with quarantined messages."""
        with mongo_errors("domains of the quarantine"):
            found: list[str] = await self._entries.distinct("domains")
        return found

    async def sent_until(self, domain: str) -> datetime | None:
        with mongo_errors("read digest"):
            found = await self._digests.find_one({"_id": domain})
        return found.get("until") if found else None

    async def claim(self, domain: str, period: DigestPeriod) -> bool:
        """Lease the period of `domain` to this replica; return False when another replica has it or it is complete."""
        now = self._clock()
        untold = [{"until": None}, {"until": {"$lt": period.until}}]
        free = {"_id": domain, "$or": untold, "lease_until": {"$not": {"$gt": now}}}
        with mongo_errors("claim digest"):
            try:
                await self._digests.update_one(free, {"$set": {"lease_until": now + self._lease}}, upsert=True)
            except DuplicateKey:  # another replica has leased or completed it
                return False
        return True

    async def complete(self, domain: str, period: DigestPeriod) -> None:
        """Record that all accounts of the domain have their digest."""
        change = {"$max": {"until": period.until}, "$unset": {"lease_until": ""}}
        with mongo_errors("end digest"):
            await self._digests.update_one({"_id": domain}, change)

    async def was_sent(self, account: str, domain: str, period: DigestPeriod) -> bool:
        with mongo_errors("read digest"):
            return await self._digests.find_one({"_id": _sent_id(account, domain, period)}) is not None

    async def mark_sent(self, account: str, domain: str, period: DigestPeriod) -> None:
        change = {"$set": {"expires_at": period.until + RECORD_KEEP}}
        with mongo_errors("note digest"):
            await self._digests.update_one({"_id": _sent_id(account, domain, period)}, change, upsert=True)

    async def entries(self, domain: str, period: DigestPeriod) -> AsyncIterator[QuarantinedMessage]:
        """Yield the messages that were quarantined in the period and still are, oldest first."""
        query = {"domains": domain, "infected": False, "at": {"$gte": period.since, "$lt": period.until}}
        with mongo_errors("read quarantine"):
            async for document in self._entries.find(query).sort("_id", 1):
                if (held := readable_message(document)) is not None:
                    yield held


def _sent_id(account: str, domain: str, period: DigestPeriod) -> str:
    """An account may have addresses in several domains, with a digest for each."""
    return f"{account} {domain} {period.until.isoformat()}"
