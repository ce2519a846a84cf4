"""Blobs in the cluster's MongoDB: chunks below a document's 16 MB limit, then the entry that makes them visible."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from libs.blobs.ports import Missing, named, possible
from libs.envelope.model import utc_now
from libs.mongo import mongo_errors

CHUNK_BYTES = 4 * 1024 * 1024


class MongoBlobs:
    """Two collections of one database.

    `entries`: {_id: blob, upload, size, touched_at, holders?, released_at?}. `chunks`: {_id: "UPLOAD.N", upload, at,
    content}. Each writer has an upload of its own ("BLOB.RANDOM"), so that the collector never takes the chunks of one
    for another's.
    """

    def __init__(self, database: Any, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._entries = database["entries"]
        self._chunks = database["chunks"]
        self._clock = clock

    async def put(self, id: str, content: bytes) -> None:
        with mongo_errors(f"blob {possible(id)}"):
            touched = {"$set": {"touched_at": self._clock()}}
            if (await self._entries.update_one({"_id": id, "size": len(content)}, touched)).matched_count:
                return  # a blob is never changed
            upload = f"{id}.{secrets.token_hex(8)}"
            for n in range(_count(len(content))):
                await self._add_chunk(upload, n, content[n * CHUNK_BYTES : (n + 1) * CHUNK_BYTES])
            entry = {"upload": upload, "size": len(content), "touched_at": self._clock()}
            await self._entries.update_one({"_id": id}, {"$set": entry}, upsert=True)

    async def get(self, id: str) -> bytes:
        with mongo_errors(f"blob {possible(id)}"):
            entry = await self._entries.find_one({"_id": id})
            if entry is None:
                raise Missing(f"blob {id} is missing")
            keys = [f"{entry['upload']}.{n}" for n in range(_count(entry["size"]))]
            found = {chunk["_id"]: chunk["content"] async for chunk in self._chunks.find({"_id": {"$in": keys}})}
        if len(found) < len(keys):
            raise Missing(f"blob {id} has lost a chunk")
        return b"".join(found[key] for key in keys)

    async def touch(self, id: str) -> None:
        with mongo_errors(f"blob {possible(id)}"):
            result = await self._entries.update_one({"_id": id}, {"$set": {"touched_at": self._clock()}})
        if not result.matched_count:
            raise Missing(f"blob {id} is missing")

    async def hold(self, id: str, holder: str) -> None:
        held = {
            "$addToSet": {"holders": named(holder)},
            "$set": {"touched_at": self._clock()},
            "$unset": {"released_at": ""},
        }
        with mongo_errors(f"blob {possible(id)}"):
            result = await self._entries.update_one({"_id": id}, held)
        if not result.matched_count:
            raise Missing(f"blob {id} is missing")

    async def release(self, id: str, holder: str) -> None:
        left = {"$setDifference": [{"$ifNull": ["$holders", []]}, [named(holder)]]}
        released = {"$cond": [{"$eq": [{"$size": "$holders"}, 0]}, self._clock(), "$$REMOVE"]}
        with mongo_errors(f"blob {possible(id)}"):
            # One step, so that of two concurrent releases one sees that it is the last.
            await self._entries.update_one(
                {"_id": id, "holders": holder}, [{"$set": {"holders": left}}, {"$set": {"released_at": released}}]
            )

    async def delete(self, id: str) -> None:
        with mongo_errors(f"blob {possible(id)}"):
            entry = await self._entries.find_one_and_delete({"_id": id})
            if entry is not None:
                await self._drop(entry["upload"])

    async def collect(self, untouched_since: datetime, *, released_before: datetime | None = None) -> int:
        with mongo_errors("collect blobs"):
            await self._entries.create_index("touched_at")
            await self._entries.create_index("released_at", sparse=True)
            await self._chunks.create_index([("at", 1), ("upload", 1)])
            collected = await self._collect_entries({"touched_at": {"$lt": untouched_since}})
            if released_before is not None:
                before = {"$lt": released_before}
                collected += await self._collect_entries({"released_at": before, "touched_at": before})
            await self._collect_orphans({"at": {"$lt": untouched_since}})
        return collected

    async def _collect_entries(self, old: dict[str, Any]) -> int:
        collected = 0
        async for entry in self._entries.find(old, {"_id": 1}):
            # The condition is checked again in the deletion itself: the blob may have been touched meanwhile.
            gone = await self._entries.find_one_and_delete({"_id": entry["_id"], **old})
            if gone is not None:
                await self._drop(gone["upload"])
                collected += 1
        return collected

    async def _collect_orphans(self, old: dict[str, Any]) -> None:
        """Delete uploads whose writer died before it wrote the entry, or whose entry another writer replaced."""
        uploads = [{"$match": old}, {"$group": {"_id": "$upload"}}]
        async for upload in await self._chunks.aggregate(uploads, hint="at_1_upload_1"):
            blob = upload["_id"].partition(".")[0]
            if await self._entries.find_one({"_id": blob, "upload": upload["_id"]}, {"_id": 1}) is None:
                await self._drop(upload["_id"])

    async def _add_chunk(self, upload: str, n: int, content: bytes) -> None:
        chunk = {"_id": f"{upload}.{n}", "upload": upload, "at": self._clock(), "content": content}
        await self._chunks.insert_one(chunk)

    async def _drop(self, upload: str) -> None:
        await self._chunks.delete_many({"_id": {"$gte": f"{upload}.", "$lt": f"{upload}/"}})


def _count(size: int) -> int:
    return -(-size // CHUNK_BYTES)
