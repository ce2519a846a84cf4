"""Bodies: one for each distinct raw message, however many mailboxes hold it.

A body that fits one document is written in the transaction that references it. A larger body is written before, whole
or not at all, and is loose until a transaction references it. Either way that transaction updates the body's document,
so that it conflicts with a collector that is about to delete it.
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

log = structlog.get_logger(__name__)

MAX_BATCH = 100  # bodies in one transaction
INLINE_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 4 * 1024 * 1024


class BodiesCollected(Exception):
    """Large bodies that the collector deleted after they were written and before they were referenced."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} bodies were collected")
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
        """Write the bodies that do not fit one document, unless they exist. Idempotent."""
        for body in bodies:
            if len(body.raw) > INLINE_BYTES:
                await self._mongo.transaction(partial(self._write_chunks, body))

    async def ref(self, session: Any, bodies: Iterable[Body]) -> None:
        """Reference bodies in the transaction of their messages. Raises `BodiesCollected` for large bodies."""
        distinct = {body.id: body for body in bodies}.values()
        inline = [body for body in distinct if len(body.raw) <= INLINE_BYTES]
        large = [body for body in distinct if len(body.raw) > INLINE_BYTES]
        touch = {
            "$set": {"touched_at": self._clock()},
            "$inc": {"touches": 1},
        }  # $inc always writes, even within one clock tick
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
        """Mark bodies as loose in the transaction that removes messages; the collector checks for other references."""
        loose = {"bodies": sorted(set(ids)), "since": self._clock()}
        if loose["bodies"]:
            await self._loose.insert_one(loose, session=session)

    async def pieces(self, id: str) -> AsyncGenerator[bytes]:
        """Yield the raw bytes in order; the first piece holds the header block.

        Raises `LookupError` for a missing body: a referenced body exists, or there is a bug.
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
        """Return the whole body."""
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
            return  # its chunks exist: they are written and deleted in one transaction with it
        for n, start in enumerate(starts):
            chunk = {"_id": {"body": body.id, "n": n}, "content": body.raw[start : start + CHUNK_BYTES]}
            await self._chunks.insert_one(chunk, session=session)


def _inline(body: Body) -> dict[str, Any]:
    return {"raw": body.raw, "size": len(body.raw)}


class MongoBodyCollector:
    """Deletes unreferenced bodies without a race against deliveries.

    Only loose bodies are examined: their message was expunged, or their first message may never have come. A delivery
    of the same body updates its document, so that one of the two transactions is aborted and sees the other's changes.
    Methods raise `Temporary` when MongoDB does not answer.
    """

    def __init__(
        self, mongo: Mongo, collections: Collections, *, clock: Callable[[], datetime], grace: timedelta
    ) -> None:
        self._mongo = mongo
        self._collections = collections
        self._clock = clock
        self._grace = grace

    async def collect(self) -> int:
        """Run one round and return how many bodies were deleted. An entry that fails does not hold up the others."""
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
        """Postpone the entry by the grace period, as if its bodies had become loose just now."""
        log.error("bodies_not_deleted", bodies=len(loose.get("bodies", ())), reason=reason)
        with mongo_errors("put off loose bodies"):
            await self._collections.loose.update_one({"_id": loose["_id"]}, {"$set": {"since": self._clock()}})

    async def _settle(self, loose: dict[str, Any], before: datetime) -> int:
        """Delete the unused bodies of an entry. After a crash it runs again and finds less to do."""
        bodies, collected = loose["bodies"], 0
        for at in range(0, len(bodies), MAX_BATCH):
            work = partial(self._delete_unused, bodies[at : at + MAX_BATCH], before)
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
        """A recent touch may precede a reference, or a crash before one: the body stays loose."""
        young = {"_id": {"$in": list(bodies)}, "touched_at": {"$gte": before}}
        return await self._collections.bodies.find_one(young, {"_id": 1}) is not None
