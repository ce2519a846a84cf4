"""Junk folders of a whole domain, and what has been in them for long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from libs.mongo import mongo_errors
from services.store.mailboxes.folders import JUNK
from services.store.mailboxes.messages import first_id
from services.store.mailboxes.mongo_changes import Changed
from services.store.mailboxes.mongo_collections import Collections
from services.store.mailboxes.mongo_expunge import MongoExpunge
from services.store.mailboxes.mongo_ledger import AT_ONCE
from services.store.mailboxes.refusals import NotThere


class MongoJunk:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, collections: Collections, expunge: MongoExpunge) -> None:
        self._collections = collections
        self._expunge = expunge

    async def mailboxes(self, domain: str) -> list[str]:
        """The mailboxes of `domain` that have something in Junk."""
        with mongo_errors("find Junk folders"):
            wanted = {"domain": domain, f"folders.{JUNK}.messages": {"$gt": 0}}
            return [found["_id"] async for found in self._collections.mailboxes.find(wanted, {"_id": 1})]

    async def expunged(self, mailbox: str, before: datetime) -> AsyncIterator[Changed]:
        """Expunges what came into its Junk folder before that time, some messages at a time."""
        while ids := await self._old(mailbox, before):
            try:
                yield await self._expunge.messages(mailbox, ids)
            except NotThere:
                continue  # someone else was quicker

    async def _old(self, mailbox: str, before: datetime) -> list[str]:
        """By when they came into the folder, not by their own date: an old message may have been moved there today."""
        wanted = {
            "mailbox": mailbox,
            "folder": JUNK,
            "_id": {"$lt": first_id(before)},
            "saved_at": {"$not": {"$gte": before}},
        }
        with mongo_errors("find old junk"):
            found = await self._collections.messages.find(wanted, {"_id": 1}).limit(AT_ONCE).to_list(None)
        return [document["_id"] for document in found]
