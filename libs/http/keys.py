"""Idempotency keys in MongoDB.

idempotency_keys  _id: digest of the key; fingerprint, result, is_done, expires_at (forgotten by a TTL index)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from libs.http.idempotency import Kept, KeyMisused, Once
from libs.mongo import DuplicateKey, mongo_errors


class MongoKeys:
    """See `idempotency.Keys`. A key is remembered for `remember`."""

    def __init__(self, database: Any, *, remember: timedelta, clock: Callable[[], datetime]) -> None:
        self._keys: Any = database["idempotency_keys"]
        self._remember = remember
        self._clock = clock

    async def prepare(self) -> None:
        """Create the TTL index. Raises `Temporary`."""
        with mongo_errors("idempotency index"):
            await self._keys.create_index("expires_at", expireAfterSeconds=0)

    async def find(self, once: Once) -> Kept | None:
        with mongo_errors("idempotency key"):
            found = await self._keys.find_one({"_id": once.key})
        # The index forgets within a minute or so; the bound holds at once.
        if found is None or found["expires_at"] <= self._clock():
            return None
        if found["fingerprint"] != once.fingerprint:
            raise KeyMisused
        return Kept(found["result"], found["is_done"])

    async def claim(self, once: Once, result: Any) -> Kept:
        with mongo_errors("idempotency key"):
            await self._keys.delete_one({"_id": once.key, "expires_at": {"$lte": self._clock()}})
            try:
                await self._keys.insert_one(self._document(once, result, self._clock(), is_done=False))
            except DuplicateKey:
                pass
            else:
                return Kept(result, is_done=False)
        return await self.find(once) or Kept(result, is_done=False)

    async def finish(self, once: Once) -> None:
        with mongo_errors("idempotency key"):
            await self._keys.update_one({"_id": once.key}, {"$set": {"is_done": True}})

    async def write(self, once: Once, result: Any, *, now: datetime, session: Any) -> None:
        await self._keys.delete_one({"_id": once.key, "expires_at": {"$lte": now}}, session=session)
        await self._keys.insert_one(self._document(once, result, now, is_done=True), session=session)

    def _document(self, once: Once, result: Any, now: datetime, *, is_done: bool) -> dict[str, Any]:
        return {
            "_id": once.key,
            "fingerprint": once.fingerprint,
            "result": result,
            "is_done": is_done,
            "expires_at": now + self._remember,
        }
