"""Whitelists and blacklists in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from libs.mongo import DuplicateKey, mongo_errors
from services.antispam.policy.lists import EntryKind

ListName = Literal["sender_white", "sender_black", "peer_white", "peer_black"]


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a list; `scope` is a local domain or `default`."""

    id: str
    list: ListName
    scope: str
    type: EntryKind
    value: str
    comment: str
    created_at: datetime


class MongoLists:
    """The collection `lists`: {_id, list, scope, type, value, comment, created_at}.

    A unique index allows a value once in each list of a scope.
    """

    def __init__(self, database: Any) -> None:
        self._lists = database["lists"]

    async def prepare(self) -> None:
        """Create the indexes. Raises `Temporary`."""
        with mongo_errors("lists"):
            await self._lists.create_index([("scope", 1), ("list", 1), ("value", 1)], unique=True)

    async def add(self, entry: ListEntry) -> ListEntry:
        """Return the stored entry: this one, or the existing one of the same value with this comment.

        Raises `Temporary`.
        """
        document = {"_id": entry.id, **{name: getattr(entry, name) for name in _FIELDS}}
        with mongo_errors("lists"):
            try:
                await self._lists.insert_one(document)
            except DuplicateKey:
                same = {name: document[name] for name in ("scope", "list", "value")}
                found = await self._lists.find_one_and_update(
                    same, {"$set": {"comment": entry.comment}}, return_document=True
                )
                return _entry(found) if found else await self.add(entry)
        return entry

    async def page(self, list_name: str, scope: str, *, after: str, limit: int) -> Sequence[ListEntry]:
        """Return the entries after the value `after`, ordered by value. Raises `Temporary`."""
        wanted = {"list": list_name, "scope": scope, "value": {"$gt": after}}
        with mongo_errors("lists"):
            return [_entry(found) async for found in self._lists.find(wanted).sort("value", 1).limit(limit)]

    async def get(self, list_name: str, id: str) -> ListEntry | None:
        """Return the entry, or None. Raises `Temporary`."""
        with mongo_errors("lists"):
            found = await self._lists.find_one({"_id": id, "list": list_name})
        return _entry(found) if found else None

    async def delete(self, list_name: str, id: str) -> ListEntry | None:
        """Delete an entry and return it; None when it does not exist. Raises `Temporary`."""
        with mongo_errors("lists"):
            found = await self._lists.find_one_and_delete({"_id": id, "list": list_name})
        return _entry(found) if found else None


_FIELDS = ("list", "scope", "type", "value", "comment", "created_at")


def _entry(document: dict[str, Any]) -> ListEntry:
    return ListEntry(document["_id"], *(document[name] for name in _FIELDS))
