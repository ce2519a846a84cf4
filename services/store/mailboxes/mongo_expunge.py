"""Expunges messages: chosen ones, whole folders, whole mailboxes, old junk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from libs.mongo import Mongo, mongo_errors
from services.store.mailboxes.folders import JUNK
from services.store.mailboxes.messages import MailboxUsage, least_id_at
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.mongo_changes import Changed, Match, check_unchanged
from services.store.mailboxes.mongo_transaction_steps import MAX_BATCH, MongoTransactionSteps, counters_out
from services.store.mailboxes.refusals import NotFound
from services.store.mailboxes.schema import Collections, message_of, usage_of

QUEUE_KEY = "^[0-9a-f]{32}$"  # the keys of messages that came from a queue


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
        """Expunge at most `MAX_BATCH` messages; their UIDs are remembered for a while.

        Raises `NotFound` when none exists, `PreconditionFailed` when `match` rejects the present state of one.
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

    async def folder(
        self, mailbox: str, folder: str, *, last_uid: int, before: datetime | None = None
    ) -> MailboxUsage | None:
        """Expunge the messages of the folder up to `last_uid` (received before `before`); None if there were none.

        It works in steps, so that deliveries continue; each step is exact.
        """
        wanted: dict[str, Any] = {"mailbox": mailbox, "folder": folder, "uid": {"$lte": last_uid}}
        if before is not None:
            wanted["received_at"] = {"$lt": before}
        return await self._expunge_all(mailbox, wanted)

    async def former_account(self, mailbox: str, *, keep_from: datetime | None = None) -> None:
        """Expunge a leaving mailbox; mail that the cluster accepted at `keep_from` or later stays.

        It ends early when the mailbox no longer exists: another replica was faster, or a new account has it.
        """
        wanted: dict[str, Any] = {"mailbox": mailbox}
        if keep_from is not None:
            # Appended messages have other keys, and dates that the user chose.
            wanted["$nor"] = [{"received_at": {"$gte": keep_from}, "key": {"$regex": QUEUE_KEY}}]
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

    async def stored_before(self, mailbox: str, moment: datetime) -> MailboxUsage | None:
        """Expunge messages stored before `moment`, by their time-ordered ids; None if there were none."""
        return await self._expunge_all(mailbox, {"mailbox": mailbox, "_id": {"$lt": least_id_at(moment)}})

    async def _expunge_all(self, mailbox: str, wanted: Mapping[str, Any]) -> MailboxUsage | None:
        usage = None
        tried: list[str] = []
        while ids := await self._some(wanted):
            if ids == tried:
                raise LookupError("messages without a mailbox")
            tried = ids
            try:
                usage = (await self.messages(mailbox, ids)).usage
            except NotFound:
                continue  # another replica was faster
        return usage

    async def _some(self, wanted: Mapping[str, Any]) -> list[str]:
        with mongo_errors("find messages"):
            found = await self._collections.messages.find(wanted, {"_id": 1}).limit(MAX_BATCH).to_list(None)
        return [document["_id"] for document in found]


class MongoJunkFolders:
    """Finds and empties Junk folders. All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, collections: Collections, expunge: MongoExpunge) -> None:
        self._collections = collections
        self._expunge = expunge

    async def mailboxes_with_junk(self, domain: str) -> list[str]:
        """Return the mailboxes of `domain` with messages in Junk."""
        with mongo_errors("find Junk folders"):
            wanted = {"domain": domain, f"folders.{JUNK}.messages": {"$gt": 0}}
            return [found["_id"] async for found in self._collections.mailboxes.find(wanted, {"_id": 1})]

    async def expunge_before(self, mailbox: str, before: datetime) -> AsyncIterator[Changed]:
        """Expunge messages that came into Junk before that time, some at a time."""
        while ids := await self._old(mailbox, before):
            try:
                yield await self._expunge.messages(mailbox, ids)
            except NotFound:
                continue  # another replica was faster

    async def _old(self, mailbox: str, before: datetime) -> list[str]:
        """Select by the time of arrival in the folder, not by date: an old message may have been moved there today."""
        wanted = {
            "mailbox": mailbox,
            "folder": JUNK,
            "_id": {"$lt": least_id_at(before)},
            "saved_at": {"$not": {"$gte": before}},
        }
        with mongo_errors("find old junk"):
            found = await self._collections.messages.find(wanted, {"_id": 1}).limit(MAX_BATCH).to_list(None)
        return [document["_id"] for document in found]
