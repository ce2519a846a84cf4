"""Messages that go for ever: chosen ones, whole folders, whole mailboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from libs.mongo import Mongo, mongo_errors
from services.store.mailboxes.folders import JUNK
from services.store.mailboxes.messages import Usage, least_id_at
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.mongo_changes import Changed, Match, check_unchanged
from services.store.mailboxes.mongo_transaction_steps import AT_ONCE, MongoTransactionSteps, counters_out
from services.store.mailboxes.refusals import NotFound
from services.store.mailboxes.schema import Collections, message_of, usage_of

OF_QUEUE = "^[0-9a-f]{32}$"  # the keys of messages that a queue brought


class MongoExpunge:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(
        self, mongo: Mongo, collections: Collections, steps: MongoTransactionSteps, bodies: MongoBodies
    ) -> None:
        self._mongo = mongo
        self._collections = collections
        self._steps = steps
        self._bodies = bodies

    async def messages(self, mailbox: str, ids: Sequence[str], *, match: Match | None = None) -> Changed:
        """At most `AT_ONCE` of them; their UIDs are remembered for a while.

        Raises `NotFound` when none is there, `PreconditionFailed` when `match` does not take one of them as it is.
        """
        return await self._mongo.transaction(lambda session: self._expunge(session, mailbox, ids, match))

    async def _expunge(
        self, session: Any, mailbox: str, ids: Sequence[str], match: Match | None = None, *, of_former: bool = False
    ) -> Changed:
        documents = await self._steps.read(session, mailbox, ids, {"prefix": 0, "edits": 0})
        check_unchanged(documents, match)
        counts = counters_out(documents)
        counts["used_bytes"] = -sum(document["size"] for document in documents)
        counts["messages"] = -len(documents)
        left = {document["folder"] for document in documents}
        state = await self._steps.update_counters(session, mailbox, counts, left, expunged=True, leaving=of_former)
        await self._steps.write_tombstones(session, mailbox, documents, state, keys=True)
        gone = {"_id": {"$in": [document["_id"] for document in documents]}}
        await self._collections.messages.delete_many(gone, session=session)
        await self._bodies.unref(session, (document["body"] for document in documents))
        return Changed(tuple(map(message_of, documents)), usage_of(state))

    async def folder(self, mailbox: str, folder: str, *, last_uid: int, before: datetime | None = None) -> Usage | None:
        """Expunge what the folder holds up to `last_uid` (received before `before`); None if that was nothing.

        In steps, so that deliveries go on; each step is exact.
        """
        wanted: dict[str, Any] = {"mailbox": mailbox, "folder": folder, "uid": {"$lte": last_uid}}
        if before is not None:
            wanted["received_at"] = {"$lt": before}
        return await self._expunge_all(mailbox, wanted)

    async def former_account(self, mailbox: str, *, keep_from: datetime | None = None) -> None:
        """Every message of a mailbox that is leaving; mail that the cluster took at `keep_from` or later stays.

        Ends early when the mailbox is there no more: then another replica was quicker, or it is another one already.
        """
        wanted: dict[str, Any] = {"mailbox": mailbox}
        if keep_from is not None:
            # What was appended has another key, and a date that its owner chose.
            wanted["$nor"] = [{"received_at": {"$gte": keep_from}, "key": {"$regex": OF_QUEUE}}]
        while ids := await self._some(wanted):
            try:
                await self._mongo.transaction(partial(self._expunge, mailbox=mailbox, ids=ids, of_former=True))
            except NotFound:
                if not await self._is_leaving(mailbox):
                    return

    async def _is_leaving(self, mailbox: str) -> bool:
        with mongo_errors("read mailbox"):
            found = await self._collections.mailboxes.find_one(
                {"_id": mailbox, "leaving": {"$exists": True}}, {"_id": 1}
            )
        return found is not None

    async def stored_before(self, mailbox: str, moment: datetime) -> Usage | None:
        """What the mailbox held before `moment`, by its ids, which are ordered by time; None if that was nothing."""
        return await self._expunge_all(mailbox, {"mailbox": mailbox, "_id": {"$lt": least_id_at(moment)}})

    async def _expunge_all(self, mailbox: str, wanted: Mapping[str, Any]) -> Usage | None:
        usage = None
        tried: list[str] = []
        while ids := await self._some(wanted):
            if ids == tried:
                raise LookupError("messages without a mailbox")
            tried = ids
            try:
                usage = (await self.messages(mailbox, ids)).usage
            except NotFound:
                continue  # someone else was quicker
        return usage

    async def _some(self, wanted: Mapping[str, Any]) -> list[str]:
        with mongo_errors("find messages"):
            found = await self._collections.messages.find(wanted, {"_id": 1}).limit(AT_ONCE).to_list(None)
        return [document["_id"] for document in found]


class MongoJunkFolders:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, collections: Collections, expunge: MongoExpunge) -> None:
        self._collections = collections
        self._expunge = expunge

    async def mailboxes_with_junk(self, domain: str) -> list[str]:
        """The mailboxes of `domain` that have something in Junk."""
        with mongo_errors("find Junk folders"):
            wanted = {"domain": domain, f"folders.{JUNK}.messages": {"$gt": 0}}
            return [found["_id"] async for found in self._collections.mailboxes.find(wanted, {"_id": 1})]

    async def expunge_before(self, mailbox: str, before: datetime) -> AsyncIterator[Changed]:
        """Expunges what came into its Junk folder before that time, some messages at a time."""
        while ids := await self._old(mailbox, before):
            try:
                yield await self._expunge.messages(mailbox, ids)
            except NotFound:
                continue  # someone else was quicker

    async def _old(self, mailbox: str, before: datetime) -> list[str]:
        """By when they came into the folder, not by their own date: an old message may have been moved there today."""
        wanted = {
            "mailbox": mailbox,
            "folder": JUNK,
            "_id": {"$lt": least_id_at(before)},
            "saved_at": {"$not": {"$gte": before}},
        }
        with mongo_errors("find old junk"):
            found = await self._collections.messages.find(wanted, {"_id": 1}).limit(AT_ONCE).to_list(None)
        return [document["_id"] for document in found]
