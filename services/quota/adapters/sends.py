"""Send counters in MongoDB: one document a key with its attempts of the last hour."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from libs.envelope import Temporary
from libs.mongo import DuplicateKey, mongo_errors
from services.quota.domain.sending import HOUR, ClassLimits, SendOutcome, Sent, decide, recent

_TRIES = 50


class MongoSends:
    """`sends`: {_id: key, revision, log: [[at, recipients]], expires_at}. Right with several replicas: a write that
    finds another revision is decided anew."""

    def __init__(self, database: Any) -> None:
        self._sends = database["sends"]

    async def prepare(self) -> None:
        """Create the indexes."""
        with mongo_errors("send counters"):
            await self._sends.create_index("expires_at", expireAfterSeconds=0)

    async def check_and_count(self, key: str, recipients: int, limits: ClassLimits, *, now: datetime) -> SendOutcome:
        """Decide, and count the attempt if it is allowed, in one step. Raises `Temporary`."""
        for _ in range(_TRIES):
            with mongo_errors("send counters"):
                document = await self._sends.find_one({"_id": key}) or {"revision": 0, "log": []}
            log = recent([Sent(at, count) for at, count in document["log"]], now=now)
            decision = decide(log, recipients, limits, now=now)
            if not decision.allowed or await self._counted(key, document["revision"], [*log, Sent(now, recipients)]):
                return decision
        raise Temporary("send counters: too many writers of one key")

    async def _counted(self, key: str, revision: int, log: list[Sent]) -> bool:
        fields = {
            "revision": revision + 1,
            "log": [[sent.at, sent.recipients] for sent in log],
            "expires_at": log[-1].at + HOUR,
        }
        with mongo_errors("send counters"):
            try:
                query = {"_id": key, "revision": revision}
                result = await self._sends.update_one(query, {"$set": fields}, upsert=revision == 0)
            except DuplicateKey:
                return False  # another replica made the document first
        return bool(result.modified_count or result.upserted_id is not None)
