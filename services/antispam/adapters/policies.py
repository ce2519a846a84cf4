"""Policies in MongoDB: only what was set for a scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.mongo import DuplicateKey, mongo_errors


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """`revision` 0 means that nothing was ever set."""

    scope: str
    own: Mapping[str, Any]
    revision: int


class MongoPolicies:
    """`policies`: {_id: scope, own: {field: value}, revision}."""

    def __init__(self, database: Any) -> None:
        self._policies = database["policies"]

    async def read(self, scope: str) -> StoredPolicy:
        """Raises `Temporary`."""
        with mongo_errors("policy"):
            document = await self._policies.find_one({"_id": scope})
        if document is None:
            return StoredPolicy(scope, {}, 0)
        return StoredPolicy(scope, document["own"], document["revision"])

    async def write(self, scope: str, own: Mapping[str, Any], *, over: int) -> bool:
        """Replace revision `over` by its successor; False when another came first. Raises `Temporary`."""
        fields = {"own": dict(own), "revision": over + 1}
        with mongo_errors("policy"):
            try:
                done = await self._policies.update_one(
                    {"_id": scope, "revision": over}, {"$set": fields}, upsert=over == 0
                )
            except DuplicateKey:
                return False
        return bool(done.matched_count or done.upserted_id)
