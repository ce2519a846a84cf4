"""Deletes bodies that nothing refers to any more, without ever racing a delivery.

Only loose bodies are looked at: those whose message was expunged or whose first message may never have come. A delivery
of the same body changes its document, so one of the two transactions is undone and sees what the other did.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import Mongo, mongo_errors
from services.store.adapters.mongo_collections import Collections
from services.store.adapters.mongo_patience import patient


class MongoCollector:
    """Raises `Temporary` when MongoDB does not answer."""

    def __init__(
        self, mongo: Mongo, collections: Collections, *, clock: Callable[[], datetime], grace: timedelta
    ) -> None:
        self._mongo = mongo
        self._collections = collections
        self._clock = clock
        self._grace = grace

    async def collect(self) -> int:
        """One round; how many bodies were deleted."""
        before = self._clock() - self._grace
        collected = 0
        with mongo_errors("find loose bodies"):
            async for loose in self._collections.loose.find({"since": {"$lt": before}}):
                collected += await self._settle(loose["_id"], before)
        return collected

    async def _settle(self, body: str, before: datetime) -> bool:
        async def work(session: Any) -> bool:
            there = self._collections
            loose = await there.loose.delete_one({"_id": body, "since": {"$lt": before}}, session=session)
            if not loose.deleted_count or await self._in_use(session, body):
                return False
            found = await there.bodies.find_one({"_id": body}, {"touched_at": 1}, session=session)
            if found is None:
                return False
            if found["touched_at"] >= before:
                # Whoever touched it may be about to refer to it: it stays loose.
                await session.abort_transaction()
                return False
            await there.bodies.delete_one({"_id": body}, session=session)
            await there.chunks.delete_many({"_id.body": body}, session=session)
            return True

        return await self._mongo.transaction(patient(work))

    async def _in_use(self, session: Any, body: str) -> bool:
        for collection in (self._collections.messages, self._collections.quarantine):
            if await collection.find_one({"body": body}, {"_id": 1}, session=session) is not None:
                return True
        return False
