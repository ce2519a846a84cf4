"""Reads messages: by id, by page of a folder, by search. Lists never read bodies or rendered headers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from libs.mongo import mongo_errors
from services.store.mailboxes.messages import StoredMessage
from services.store.mailboxes.refusals import NotFound
from services.store.mailboxes.schema import LIST_PROJECTION, SEARCH_INDEX, Collections, message_of
from services.store.mailboxes.search import SearchCriteria


class MongoMessages:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, collections: Collections) -> None:
        self._messages = collections.messages
        self._tombstones = collections.tombstones

    async def get(self, mailbox: str, id: str) -> StoredMessage:
        """Return a message with its rendered headers. Raises `NotFound`."""
        with mongo_errors("read message"):
            found = await self._messages.find_one({"_id": id, "mailbox": mailbox})
        if found is None:
            raise NotFound("there is no such message")
        return message_of(found)

    async def by_key(self, mailbox: str, key: str) -> StoredMessage:
        """Return the message stored under `key`. Raises `NotFound` when it has been deleted since."""
        with mongo_errors("read message"):
            found = await self._messages.find_one({"key": key, "mailbox": mailbox}, LIST_PROJECTION)
        if found is None:
            raise NotFound("the message was stored, and deleted since")
        return message_of(found)

    async def page(
        self, mailbox: str, folder: str, *, after: int | None, limit: int, newest_first: bool, changed_since: int = 0
    ) -> list[StoredMessage]:
        """Return at most `limit` messages in UID order, behind the UID `after`."""
        wanted: dict[str, Any] = {"mailbox": mailbox, "folder": folder}
        if after is not None:
            wanted["uid"] = {"$lt" if newest_first else "$gt": after}
        if changed_since:
            wanted["modseq"] = {"$gt": changed_since}
        with mongo_errors("list messages"):
            cursor = self._messages.find(wanted, LIST_PROJECTION).sort("uid", -1 if newest_first else 1).limit(limit)
            return [message_of(document) for document in await cursor.to_list(None)]

    async def matching(
        self, mailbox: str, criteria: SearchCriteria, *, after: str, limit: int
    ) -> AsyncIterator[StoredMessage]:
        """What fits all criteria but `text`, newest first, behind the message id `after`."""
        wanted = {"mailbox": mailbox, **_filter(criteria)}
        if after:
            wanted["_id"] = {"$lt": after}
        with mongo_errors("search"):
            found = self._messages.find(wanted, LIST_PROJECTION).hint(SEARCH_INDEX).sort("_id", -1).limit(limit)
            async for document in found:
                yield message_of(document)

    async def vanished(self, mailbox: str, folder: str, *, since: int) -> list[int]:
        """Return UIDs that were expunged or moved after the modification sequence `since`, ascending (RFC 7162 3.2.10).

        UIDs whose tombstone has expired are missing.
        """
        wanted = {"mailbox": mailbox, "folder": folder, "modseq": {"$gt": since}}
        with mongo_errors("read tombstones"):
            found = await self._tombstones.find(wanted, {"uids": 1}).to_list(None)
        return sorted(uid for document in found for uid in document["uids"])


_FIELDS: Mapping[str, str] = {"subject": "subject", "sender": "from", "to": "to"}


def _filter(criteria: SearchCriteria) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if criteria.folder:
        wanted["folder"] = criteria.folder
    for name, field in _FIELDS.items():
        if text := getattr(criteria, name):
            wanted[field] = {"$regex": re.escape(text), "$options": "i"}
    flags = {"$all": list(criteria.with_flags), "$nin": list(criteria.without_flags)}
    wanted["flags"] = {operator: given for operator, given in flags.items() if given}
    wanted["received_at"] = _range(criteria.since, criteria.before)
    sizes = {"$gt": criteria.larger_than, "$lt": criteria.smaller_than}
    wanted["size"] = {operator: size for operator, size in sizes.items() if size is not None}
    return {field: condition for field, condition in wanted.items() if condition}


def _range(least: object, below: object) -> dict[str, object]:
    return {operator: value for operator, value in (("$gte", least), ("$lt", below)) if value is not None}
