"""Policies in MongoDB: only the fields that were set for a scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.http import birth_mark
from libs.mongo import DuplicateKey, mongo_errors


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """The fields that were set for a scope. `revision` is 0 for none; `birth` is random and made with revision 1."""

    scope: str
    own: Mapping[str, Any]
    revision: int
    birth: str = ""


class MongoPolicies:
    """The collection `policies`: {_id: scope, own: {field: value}, revision, birth?}."""

    def __init__(self, database: Any) -> None:
        self._policies = database["policies"]

    async def read(self, scope: str) -> StoredPolicy:
        """Return the stored policy, an empty one at revision 0. Raises `Temporary`."""
        with mongo_errors("policy"):
            document = await self._policies.find_one({"_id": scope})
        if document is None:
            return StoredPolicy(scope, {}, 0)
        return StoredPolicy(scope, document["own"], document["revision"], document.get("birth", ""))

    async def write(self, own: Mapping[str, Any], *, over: StoredPolicy) -> StoredPolicy | None:
        """Replace the revision `over`; return None when another write came first. Raises `Temporary`."""
        after = StoredPolicy(over.scope, dict(own), over.revision + 1, over.birth or birth_mark())
        fields = {"own": after.own, "revision": after.revision, "birth": after.birth}
        with mongo_errors("policy"):
            try:
                done = await self._policies.update_one(
                    {"_id": over.scope, "revision": over.revision}, {"$set": fields}, upsert=over.revision == 0
                )
            except DuplicateKey:
                return None
        return after if done.matched_count or done.upserted_id else None
