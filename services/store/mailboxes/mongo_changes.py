"""Changes of existing messages: flags, moves, copies. Each is one transaction with exact counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.envelope import new_id
from libs.mongo import DuplicateKey, Mongo, mongo_errors
from services.store.mailboxes.flags import SEEN, FlagChange
from services.store.mailboxes.messages import MailboxUsage, StoredMessage
from services.store.mailboxes.mongo_transaction_steps import MongoTransactionSteps, counters_in, counters_out
from services.store.mailboxes.refusals import MailboxOverQuota, NotFound, PreconditionFailed
from services.store.mailboxes.schema import LIST_PROJECTION, Collections, message_of, usage_of

Match = Callable[[StoredMessage], bool]


@dataclass(frozen=True, slots=True)
class Changed:
    """The messages after the change (before it, if expunged), and the totals of their mailbox.

    `origins` are the source folders of moved and copied messages, by id.
    """

    messages: tuple[StoredMessage, ...]
    usage: MailboxUsage
    origins: Mapping[str, str] = field(default_factory=dict)


class MongoChanges:
    """Methods take at most `MAX_BATCH` ids, skip missing messages, and raise `NotFound` when all are missing.

    All raise `Temporary` when MongoDB does not answer.
    """

    def __init__(
        self, mongo: Mongo, collections: Collections, steps: MongoTransactionSteps, *, clock: Callable[[], datetime]
    ) -> None:
        self._mongo = mongo
        self._collections = collections
        self._steps = steps
        self._clock = clock

    async def flag(
        self, mailbox: str, ids: Sequence[str], change: FlagChange, *, match: Match | None = None
    ) -> Changed:
        """Change flags. Raises `PreconditionFailed` when `match` rejects the present state of a message."""
        return await self._mongo.transaction(lambda s: self._flag(s, mailbox, ids, change, match))

    async def _flag(
        self, session: Any, mailbox: str, ids: Sequence[str], change: FlagChange, match: Match | None
    ) -> Changed:
        documents = await self._steps.read(session, mailbox, ids)
        check_unchanged(documents, match)
        after = {document["_id"]: change.apply(document["flags"]) for document in documents}
        changing = [document for document in documents if set(after[document["_id"]]) != set(document["flags"])]
        counts: Counter[str] = Counter()
        for document in changing:
            was, now = SEEN not in document["flags"], SEEN not in after[document["_id"]]
            counts[f"folders.{document['folder']}.unseen"] += now - was
        state = await self._steps.update_counters(
            session, mailbox, counts, {document["folder"] for document in changing}
        )
        for document in changing:
            document["flags"] = after[document["_id"]]
            document["modseq"] = state["folders"][document["folder"]]["modseq"]
        await self._steps.write_fields(session, changing, ("flags", "modseq"))
        return Changed(tuple(map(message_of, documents)), usage_of(state))

    async def move(self, mailbox: str, ids: Sequence[str], folder: str) -> Changed:
        """Move messages into `folder` under new UIDs. Ids, dates and flags stay. Messages already there stay as is."""
        return await self._mongo.transaction(lambda session: self._move(session, mailbox, ids, folder))

    async def _move(self, session: Any, mailbox: str, ids: Sequence[str], folder: str) -> Changed:
        documents = await self._steps.read(session, mailbox, ids)
        moving = [document for document in documents if document["folder"] != folder]
        origins = {document["_id"]: document["folder"] for document in moving}
        counts = counters_out(moving)
        counts.update(counters_in(moving, folder))
        numbered = {folder, *(document["folder"] for document in moving)} if moving else set()
        state = await self._steps.update_counters(session, mailbox, counts, numbered, target=folder)
        await self._steps.write_tombstones(session, mailbox, moving, state, keys=False)
        target, now = state["folders"][folder], self._clock()
        for uid, document in enumerate(moving, start=target["last_uid"] - len(moving) + 1):
            document |= {"folder": folder, "uid": uid, "modseq": target["modseq"], "saved_at": now}
        await self._steps.write_fields(session, moving, ("folder", "uid", "modseq", "saved_at"))
        return Changed(tuple(map(message_of, documents)), usage_of(state), origins)

    async def copy(
        self, mailbox: str, ids: Sequence[str], folder: str, *, limit: int | None, key: str | None = None
    ) -> Changed:
        """Create messages in `folder` with the same bodies. Raises `Conflict` when the mailbox would break `limit`.

        With `key` the same copies are created once, however often the request is repeated.
        """
        try:
            return await self._mongo.transaction(lambda s: self._copy(s, mailbox, ids, folder, limit, key))
        except DuplicateKey:
            return await self.copied(mailbox, ids, key or "")

    async def _copy(
        self, session: Any, mailbox: str, ids: Sequence[str], folder: str, limit: int | None, key: str | None
    ) -> Changed:
        documents = await self._steps.read(session, mailbox, ids, {})
        counts = counters_in(documents, folder)
        counts["used_bytes"] = sum(document["size"] for document in documents)
        counts["messages"] = len(documents)
        state = await self._steps.update_counters(session, mailbox, counts, {folder}, target=folder)
        if limit is not None and state["used_bytes"] > limit:
            raise MailboxOverQuota
        target = state["folders"][folder]
        origins = {}
        for uid, document in enumerate(documents, start=target["last_uid"] - len(documents) + 1):
            source, origin = document["_id"], document["folder"]
            document |= {"_id": new_id(self._clock()), "folder": folder, "uid": uid, "modseq": target["modseq"]}
            document.pop("key", None)
            document.pop("saved_at", None)
            if key is not None:
                document["key"] = _copy_key(key, source)
            origins[document["_id"]] = origin
        await self._collections.messages.insert_many(documents, session=session)
        return Changed(tuple(map(message_of, documents)), usage_of(state), origins)

    async def copied(self, mailbox: str, ids: Sequence[str], key: str) -> Changed:
        """Return the existing messages that `copy` created with `key`."""
        keys = [_copy_key(key, id) for id in ids]
        with mongo_errors("read copies"):
            wanted = {"key": {"$in": keys}, "mailbox": mailbox}
            documents = await self._collections.messages.find(wanted, LIST_PROJECTION).sort("uid").to_list(None)
            state = await self._collections.mailboxes.find_one({"_id": mailbox})
        if state is None:
            raise NotFound("there is no such mailbox")
        return Changed(tuple(map(message_of, documents)), usage_of(state))


def check_unchanged(documents: Sequence[dict[str, Any]], match: Match | None) -> None:
    """Raises `PreconditionFailed` when `match` rejects one of the messages."""
    if match is not None and not all(match(message_of(document)) for document in documents):
        raise PreconditionFailed("the message was changed in the meantime")


def _copy_key(key: str, id: str) -> str:
    return f"copy:{key}:{id}"
