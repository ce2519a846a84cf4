"""Keyword, exception and logic rules in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libs.http import birth_mark
from libs.mongo import DuplicateKey, UpdateOne, mongo_errors
from services.antispam.policy.rules import AnyRule, rule_of


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule with its name; `hits` counts the messages that it matched, `birth` is random and made with revision 1."""

    name: str
    scope: str
    rule: AnyRule
    revision: int
    hits: int
    birth: str = ""


class MongoRules:
    """The collection `rules`: {_id: name, scope, kind, rule, revision, hits, birth?}."""

    def __init__(self, database: Any) -> None:
        self._rules = database["rules"]

    async def prepare(self) -> None:
        """Create the indexes. Raises `Temporary`."""
        with mongo_errors("rules"):
            await self._rules.create_index([("scope", 1), ("kind", 1)])

    async def get(self, kind: str, name: str) -> StoredRule | None:
        """Return the rule, or None. Raises `Temporary`."""
        with mongo_errors("rules"):
            found = await self._rules.find_one({"_id": name, "kind": kind})
        return _stored(found) if found else None

    async def page(self, kind: str, scope: str | None, *, after: str, limit: int) -> Sequence[StoredRule]:
        """Return the rules after the name `after`, ordered by name, of one scope or of all. Raises `Temporary`."""
        wanted = {"kind": kind, "_id": {"$gt": after}, **({"scope": scope} if scope is not None else {})}
        with mongo_errors("rules"):
            return [_stored(found) async for found in self._rules.find(wanted).sort("_id", 1).limit(limit)]

    async def write(self, name: str, scope: str, rule: AnyRule, *, over: int) -> StoredRule | None:
        """Replace the revision `over` (0 for a new rule); None when another write came first. Raises `Temporary`."""
        fields = {"scope": scope, "kind": rule.kind, "rule": rule.model_dump(mode="json"), "revision": over + 1}
        with mongo_errors("rules"):
            try:
                found = await self._rules.find_one_and_update(
                    {"_id": name, "kind": rule.kind, "scope": scope, "revision": over},
                    {"$set": fields, "$setOnInsert": {"hits": 0, "birth": birth_mark()}},
                    upsert=over == 0,
                    return_document=True,
                )
            except DuplicateKey:
                return None
        return _stored(found) if found else None

    async def delete(self, rule: StoredRule) -> bool:
        """Delete a rule; False when it was changed meanwhile. Raises `Temporary`."""
        version = {"revision": rule.revision, "birth": rule.birth or None}
        with mongo_errors("rules"):
            done = await self._rules.delete_one({"_id": rule.name, "kind": rule.rule.kind, **version})
        return bool(done.deleted_count)

    async def add_hits(self, hits: Mapping[str, int]) -> None:
        """Add numbers of matches by the name of the rule. Raises `Temporary`."""
        with mongo_errors("rules"):
            await self._rules.bulk_write(
                [UpdateOne({"_id": name}, {"$inc": {"hits": number}}) for name, number in hits.items()], ordered=False
            )


def _stored(document: dict[str, Any]) -> StoredRule:
    rule = rule_of(document["rule"])
    return StoredRule(
        document["_id"], document["scope"], rule, document["revision"], document["hits"], document.get("birth", "")
    )
