"""Blobs in the cluster's MongoDB: chunks below a document's 16 MB limit, then the entry that makes them visible."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from libs.blobs.ports import Missing
from libs.envelope.model import utc_now
from libs.mongo import mongo_errors

CHUNK_BYTES = 4 * 1024 * 1024


class MongoBlobs:
    """Collections `entries` ({_id, size, touched_at}) and `chunks` ({_id: {blob, n}, content}) of one database."""

    def __init__(self, database: Any) -> None:
        self._entries = database["entries"]
        self._chunks = database["chunks"]

    async def put(self, id: str, content: bytes) -> None:
        now = utc_now()
        with mongo_errors(f"blob {id}"):
            for n, start in enumerate(range(0, len(content), CHUNK_BYTES)):
                key = {"blob": id, "n": n}
                chunk = {"_id": key, "content": content[start : start + CHUNK_BYTES], "at": now}
                await self._chunks.replace_one({"_id": key}, chunk, upsert=True)
            entry = {"_id": id, "size": len(content), "touched_at": now}
            await self._entries.replace_one({"_id": id}, entry, upsert=True)

    async def get(self, id: str) -> bytes:
        with mongo_errors(f"blob {id}"):
            entry = await self._entries.find_one({"_id": id})
            if entry is None:
                raise Missing(f"blob {id} is missing")
            keys = [{"blob": id, "n": n} for n in range(-(-entry["size"] // CHUNK_BYTES))]
            chunks = [await self._chunks.find_one({"_id": key}) for key in keys]
        if None in chunks:
            raise Missing(f"blob {id} has lost a chunk")
        return b"".join(chunk["content"] for chunk in chunks)

    async def touch(self, id: str) -> None:
        with mongo_errors(f"blob {id}"):
            result = await self._entries.update_one({"_id": id}, {"$set": {"touched_at": utc_now()}})
        if not result.matched_count:
            raise Missing(f"blob {id} is missing")

    async def delete(self, id: str) -> None:
        with mongo_errors(f"blob {id}"):
            await self._entries.delete_one({"_id": id})
            await self._chunks.delete_many({"_id.blob": id})

    async def collect(self, untouched_since: datetime) -> int:
        """Entries that nobody touched, and chunks whose writer died before it made the entry."""
        old = {"touched_at": {"$lt": untouched_since}}
        collected = 0
        with mongo_errors("collect blobs"):
            async for entry in self._entries.find(old, {"_id": 1}):
                if (await self._entries.delete_one({"_id": entry["_id"], **old})).deleted_count:
                    await self._chunks.delete_many({"_id.blob": entry["_id"]})
                    collected += 1
            async for chunk in self._chunks.find({"at": {"$lt": untouched_since}}, {"_id": 1}):
                if await self._entries.find_one({"_id": chunk["_id"]["blob"]}, {"_id": 1}) is None:
                    await self._chunks.delete_one({"_id": chunk["_id"]})
        return collected
