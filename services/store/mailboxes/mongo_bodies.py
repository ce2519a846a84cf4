"""Bodies: one for each distinct raw message, however many mailboxes hold it (R-ST-02).

A body of one document is written in the transaction that refers to it. A larger one is written before, whole or not at
all, and is loose until a transaction refers to it. Either way that transaction changes the body's document, so that it
conflicts with a collector that is about to delete it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from libs.mongo import Mongo, UpdateOne, mongo_errors
from libs.runtime.periodic import each
from services.store.mailboxes.messages import Body
from services.store.mailboxes.schema import Collections

INLINE_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 4 * 1024 * 1024


class BodiesCollected(Exception):
    """Large bodies that the collector took after they were written and before anyone referred to them."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} bodies are gone")
        self.ids = ids


class MongoBodies:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, mongo: Mongo, collections: Collections, *, clock: Callable[[], datetime]) -> None:
        self._mongo = mongo
        self._bodies = collections.bodies
        self._chunks = collections.chunks
        self._loose = collections.loose
        self._clock = clock

    async def write_large(self, bodies: Iterable[Body]) -> None:
        """Make sure that those which do not fit one document are there. Idempotent."""
        for body in bodies:
            if len(body.raw) > INLINE_BYTES:
                await self._mongo.transaction(partial(self._write_chunks, body))

    async def ref(self, session: Any, bodies: Iterable[Body]) -> None:
        """In the transaction of the messages that refer to them. Raises `BodiesCollected` for large ones."""
        distinct = {body.id: body for body in bodies}.values()
        inline = [body for body in distinct if len(body.raw) <= INLINE_BYTES]
        large = [body for body in distinct if len(body.raw) > INLINE_BYTES]
        touch = {
            "$set": {"touched_at": self._clock()},
            "$inc": {"touches": 1},
        }  # $inc: a write, whatever the clock says
        if inline:
            await self._bodies.bulk_write(
                [UpdateOne({"_id": body.id}, {**touch, "$setOnInsert": _inline(body)}, upsert=True) for body in inline],
                ordered=False,
                session=session,
            )
        gone = [
            body.id
            for body in large
            if not (await self._bodies.update_one({"_id": body.id}, touch, session=session)).matched_count
        ]
        if gone:
            raise BodiesCollected(gone)

    async def unref(self, session: Any, ids: Iterable[str]) -> None:
        """In the transaction that removes what refers to them: the collector looks whether anything else does."""
        loose = {"bodies": sorted(set(ids)), "since": self._clock()}
        if loose["bodies"]:
            await self._loose.insert_one(loose, session=session)

    async def pieces(self, id: str) -> AsyncGenerator[bytes]:
        """The raw bytes in order; the first piece holds the header block.

        Raises `LookupError`: a body that is referred to is there, or there is a bug.
        """
        with mongo_errors("read body"):
            document = await self._bodies.find_one({"_id": id})
            if document is None:
                raise LookupError(f"body {id} is missing")
            if "raw" in document:
                yield document["raw"]
            for n in range(document.get("chunks", 0)):
                chunk = await self._chunks.find_one({"_id": {"body": id, "n": n}})
                if chunk is None:
                    raise LookupError(f"body {id} has lost chunk {n}")
                yield chunk["content"]

    async def raw(self, id: str) -> bytes:
        """All of it."""
        return b"".join([piece async for piece in self.pieces(id)])

    async def _write_chunks(self, body: Body, session: Any) -> None:
        starts = range(0, len(body.raw), CHUNK_BYTES)
        now = self._clock()
        await self.unref(session, [body.id])
        result = await self._bodies.update_one(
            {"_id": body.id},
            {
                "$set": {"touched_at": now},
                "$inc": {"touches": 1},
                "$setOnInsert": {"size": len(body.raw), "chunks": len(starts)},
            },
            upsert=True,
            session=session,
        )
        if result.upserted_id is None:
            return  # it came and went in one transaction with its chunks
        for n, start in enumerate(starts):
            chunk = {"_id": {"body": body.id, "n": n}, "content": body.raw[start : start + CHUNK_BYTES]}
            await self._chunks.insert_one(chunk, session=session)


def _inline(body: Body) -> dict[str, Any]:
    return {"raw": body.raw, "size": len(body.raw)}


log = structlog.get_logger(__name__)

AT_ONCE = 100  # bodies in one transaction


class MongoBodyCollector:
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
        log.error("bodies_not_deleted", bodies=len(loose.get("bodies", ())), reason=reason)
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
