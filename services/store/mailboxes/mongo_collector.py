"""Deletes bodies that nothing refers to any more, without ever racing a delivery.

Only loose bodies are looked at: those whose message was expunged or whose first message may never have come. A delivery
of the same body changes its document, so one of the two transactions is undone and sees what the other did.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from libs.mongo import Mongo, mongo_errors
from libs.runtime.periodic import each
from services.store.mailboxes.mongo_collections import Collections

log = structlog.get_logger(__name__)

AT_ONCE = 100  # bodies in one transaction


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
        """One round; how many bodies were deleted. What cannot be settled keeps nothing else from it."""
        before = self._clock() - self._grace
        collected = 0

        async def settle(loose: dict[str, Any]) -> None:
            nonlocal collected
            collected += await self._settle(loose, before)

        await each(self._loose(before), settle, park=self._put_off)
        return collected

    async def _loose(self, before: datetime) -> AsyncIterator[dict[str, Any]]:
        with mongo_errors("find loose bodies"):
            async for loose in self._collections.loose.find({"since": {"$lt": before}}):
                yield loose

    async def _put_off(self, loose: dict[str, Any], reason: str) -> None:
        """As if its bodies had become loose just now: they are looked at again after the grace."""
        log.error("bodies_not_collected", bodies=len(loose.get("bodies", ())), reason=reason)
        with mongo_errors("put off loose bodies"):
            await self._collections.loose.update_one({"_id": loose["_id"]}, {"$set": {"since": self._clock()}})

    async def _settle(self, loose: dict[str, Any], before: datetime) -> int:
        """A crash in the middle settles it again, which finds less to do."""
        bodies, collected = loose["bodies"], 0
        for at in range(0, len(bodies), AT_ONCE):
            work = partial(self._delete_unused, bodies[at : at + AT_ONCE], before)
            collected += await self._mongo.transaction(work)
        if not await self._recently_touched(bodies, before):
            await self._collections.loose.delete_one({"_id": loose["_id"]})
        return collected

    async def _delete_unused(self, bodies: Sequence[str], before: datetime, session: Any) -> int:
        there, these = self._collections, {"$in": list(bodies)}
        used = {
            document["body"]
            for collection in (there.messages, there.quarantine)
            for document in await collection.find({"body": these}, {"body": 1}, session=session).to_list(None)
        }
        old = {"_id": {"$in": [body for body in bodies if body not in used]}, "touched_at": {"$lt": before}}
        unused = [body["_id"] for body in await there.bodies.find(old, {"_id": 1}, session=session).to_list(None)]
        if unused:
            await there.bodies.delete_many({"_id": {"$in": unused}}, session=session)
            await there.chunks.delete_many({"_id.body": {"$in": unused}}, session=session)
        return len(unused)

    async def _recently_touched(self, bodies: Sequence[str], before: datetime) -> bool:
        """Whoever touched one may be about to refer to it, or may have died before: it stays loose."""
        young = {"_id": {"$in": list(bodies)}, "touched_at": {"$gte": before}}
        return await self._collections.bodies.find_one(young, {"_id": 1}) is not None
