"""Idempotency keys in MongoDB.

    idempotency  _id: digest of the key; fingerprint, id, confirmed, made_at (expires by a TTL index)

The id is decided before the message is published. A retry that finds an unconfirmed key publishes again under the same
id, which the consumers know to be the same message: nothing is lost by a crash in between, and nothing doubled.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from libs.mongo import DuplicateKey, mongo_errors
from services.ingress.ports import Claim, KeyMisused


class MongoKeys:
    """All methods raise `Temporary`."""

    def __init__(self, database: Any, *, window: timedelta, clock: Callable[[], datetime]) -> None:
        self._keys: Any = database["idempotency"]
        self._window = window
        self._clock = clock

    async def prepare(self) -> None:
        """The index that forgets."""
        with mongo_errors("idempotency index"):
            await self._keys.create_index(
                "made_at", name="forget", expireAfterSeconds=int(self._window.total_seconds())
            )

    async def claim(self, key: str, fingerprint: str, id: str) -> Claim:
        digest = _digest(key)
        with mongo_errors("idempotency key"):
            try:
                await self._keys.insert_one(
                    {"_id": digest, "fingerprint": fingerprint, "id": id, "confirmed": False, "made_at": self._clock()}
                )
            except DuplicateKey:
                found = await self._keys.find_one({"_id": digest})
            else:
                return Claim(id, confirmed=False)
        if found is None:  # it expired between the two looks
            return Claim(id, confirmed=False)
        if found["fingerprint"] != fingerprint:
            raise KeyMisused
        return Claim(found["id"], confirmed=found["confirmed"])

    async def confirm(self, key: str) -> None:
        with mongo_errors("idempotency key"):
            await self._keys.update_one({"_id": _digest(key)}, {"$set": {"confirmed": True}})


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()
