"""Rate limits over all replicas: counters of fixed time windows, and nonces that are valid once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from libs.mongo import DuplicateKey, ReturnDocument, mongo_errors
from services.store.mailboxes.schema import Collections


class MongoRateLimits:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, collections: Collections, *, clock: Callable[[], datetime]) -> None:
        self._rates: Any = collections.rates
        self._burnt: Any = collections.burnt
        self._clock = clock

    async def allow(self, what: str, whom: str, *, limit: int, window: timedelta) -> bool:
        """Count one more `what` by `whom`; return False beyond `limit` in this window."""
        seconds, now = int(window.total_seconds()), self._clock()
        start = int(now.timestamp()) // seconds * seconds
        key = f"{what}:{sha256(whom.encode()).hexdigest()[:32]}:{start}"
        ends = datetime.fromtimestamp(start + seconds, UTC)
        change = {"$inc": {"count": 1}, "$setOnInsert": {"expires_at": ends}}
        with mongo_errors("count"):
            try:
                found = await self._counted(key, change)
            except DuplicateKey:  # another replica has just created the counter
                found = await self._counted(key, change)
        return bool(found["count"] <= limit)

    async def use_once(self, nonce: str, *, until: datetime) -> bool:
        """Return whether `nonce` is used for the first time. It must not be accepted after `until`."""
        with mongo_errors("use up"):
            try:
                await self._burnt.insert_one({"_id": nonce, "expires_at": until + timedelta(minutes=5)})
            except DuplicateKey:
                return False
        return True

    async def _counted(self, key: str, change: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = await self._rates.find_one_and_update(
            {"_id": key}, change, upsert=True, return_document=ReturnDocument.AFTER
        )
        return found
