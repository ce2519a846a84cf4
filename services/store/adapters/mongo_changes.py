"""Changes to messages that are there: flags, moves, copies, expunges. Each is one transaction with exact counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument, UpdateOne

from libs.envelope import new_id
from libs.mongo import DuplicateKey, Mongo, mongo_errors
from services.store.adapters.mongo_bodies import MongoBodies
from services.store.adapters.mongo_collections import Collections
from services.store.adapters.mongo_documents import LISTED, message_of, usage_of
from services.store.domain.flags import SEEN, FlagChange
from services.store.domain.messages import Message, Usage
from services.store.domain.refusals import Conflicting, NotThere, Outdated

AT_ONCE = 1000  # messages in one transaction

Documents = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Changed:
    """The messages as they are now (or were, if expunged), and the totals of their mailbox."""

    messages: tuple[Message, ...]
    usage: Usage


class MongoChanges:
    """Methods take at most `AT_ONCE` ids, leave out those that are not there, raise `NotThere` when none is.

    All raise `Temporary` when MongoDB does not answer.
    """

    def __init__(
        self,
        mongo: Mongo,
        collections: Collections,
        bodies: MongoBodies,
        *,
        clock: Callable[[], datetime],
        tombstone_keep: timedelta,
    ) -> None:
        self._mongo = mongo
        self._collections = collections
        self._bodies = bodies
        self._clock = clock
        self._keep = tombstone_keep

    async def flag(
        self, mailbox: str, ids: Sequence[str], change: FlagChange, *, unchanged_since: int | None = None
    ) -> Changed:
        """Raises `Outdated` when one of them was changed after `unchanged_since` (RFC 7162 3.1.3)."""
        return await self._mongo.transaction(lambda s: self._flag(s, mailbox, ids, change, unchanged_since))

    async def _flag(
        self, session: Any, mailbox: str, ids: Sequence[str], change: FlagChange, unchanged_since: int | None
    ) -> Changed:
        documents = await self._read(session, mailbox, ids)
        if unchanged_since is not None and any(document["modseq"] > unchanged_since for document in documents):
            raise Outdated("the message was changed in the meantime")
        after = {document["_id"]: change.apply(document["flags"]) for document in documents}
        changing = [document for document in documents if set(after[document["_id"]]) != set(document["flags"])]
        counts: Counter[str] = Counter()
        for document in changing:
            was, now = SEEN not in document["flags"], SEEN not in after[document["_id"]]
            counts[f"folders.{document['folder']}.unseen"] += now - was
        state = await self._count(session, mailbox, counts, {document["folder"] for document in changing})
        for document in changing:
            document["flags"] = after[document["_id"]]
            document["modseq"] = state["folders"][document["folder"]]["modseq"]
        await self._rewrite(session, changing, ("flags", "modseq"))
        return Changed(tuple(map(message_of, documents)), usage_of(state))

    async def move(self, mailbox: str, ids: Sequence[str], folder: str) -> Changed:
        """Into `folder` under new UIDs; ids, dates and flags stay. Those that are there already stay as they are."""
        return await self._mongo.transaction(lambda session: self._move(session, mailbox, ids, folder))

    async def _move(self, session: Any, mailbox: str, ids: Sequence[str], folder: str) -> Changed:
        documents = await self._read(session, mailbox, ids)
        moving = [document for document in documents if document["folder"] != folder]
        counts = _leaving(moving)
        counts.update(_arriving(moving, folder))
        numbered = {folder, *(document["folder"] for document in moving)} if moving else set()
        state = await self._count(session, mailbox, counts, numbered, target=folder)
        await self._bury(session, mailbox, moving, state, keys=False)
        target = state["folders"][folder]
        for uid, document in enumerate(moving, start=target["last_uid"] - len(moving) + 1):
            document |= {"folder": folder, "uid": uid, "modseq": target["modseq"]}
        await self._rewrite(session, moving, ("folder", "uid", "modseq"))
        return Changed(tuple(map(message_of, documents)), usage_of(state))

    async def copy(
        self, mailbox: str, ids: Sequence[str], folder: str, *, limit: int | None, key: str | None = None
    ) -> Changed:
        """New messages in `folder` with the same bodies. Raises `Conflicting` when the mailbox would break `limit`.

        With `key` the same copies are made once, however often it is asked for.
        """
        try:
            return await self._mongo.transaction(lambda s: self._copy(s, mailbox, ids, folder, limit, key))
        except DuplicateKey:
            return await self._copied(mailbox, ids, key)

    async def _copy(
        self, session: Any, mailbox: str, ids: Sequence[str], folder: str, limit: int | None, key: str | None
    ) -> Changed:
        documents = await self._read(session, mailbox, ids, {})
        counts = _arriving(documents, folder)
        counts["used_bytes"] = sum(document["size"] for document in documents)
        counts["messages"] = len(documents)
        state = await self._count(session, mailbox, counts, {folder}, target=folder)
        if limit is not None and state["used_bytes"] > limit:
            raise Conflicting("the mailbox is over its quota")
        target = state["folders"][folder]
        for uid, document in enumerate(documents, start=target["last_uid"] - len(documents) + 1):
            source = document["_id"]
            document |= {"_id": new_id(self._clock()), "folder": folder, "uid": uid, "modseq": target["modseq"]}
            document.pop("key", None)
            if key is not None:
                document["key"] = _copy_key(key, source)
        await self._collections.messages.insert_many(documents, session=session)
        return Changed(tuple(map(message_of, documents)), usage_of(state))

    async def _copied(self, mailbox: str, ids: Sequence[str], key: str | None) -> Changed:
        keys = [_copy_key(key or "", id) for id in ids]
        with mongo_errors("read copies"):
            wanted = {"key": {"$in": keys}, "mailbox": mailbox}
            documents = await self._collections.messages.find(wanted, LISTED).sort("uid").to_list(None)
            state = await self._collections.mailboxes.find_one({"_id": mailbox})
        if state is None:
            raise NotThere("there is no such mailbox")
        return Changed(tuple(map(message_of, documents)), usage_of(state))

    async def expunge(self, mailbox: str, ids: Sequence[str]) -> Changed:
        """Gone for ever; their UIDs are remembered for a while."""
        return await self._mongo.transaction(lambda session: self._expunge(session, mailbox, ids))

    async def _expunge(self, session: Any, mailbox: str, ids: Sequence[str]) -> Changed:
        documents = await self._read(session, mailbox, ids, {"prefix": 0, "edits": 0})
        counts = _leaving(documents)
        counts["used_bytes"] = -sum(document["size"] for document in documents)
        counts["messages"] = -len(documents)
        state = await self._count(session, mailbox, counts, {document["folder"] for document in documents})
        await self._bury(session, mailbox, documents, state, keys=True)
        gone = {"_id": {"$in": [document["_id"] for document in documents]}}
        await self._collections.messages.delete_many(gone, session=session)
        await self._bodies.loosen(session, (document["body"] for document in documents))
        return Changed(tuple(map(message_of, documents)), usage_of(state))

    async def empty(self, mailbox: str, folder: str, *, last_uid: int, before: datetime | None = None) -> Usage | None:
        """Expunge what the folder holds up to `last_uid` (received before `before`); None if that was nothing.

        In steps, so that deliveries go on; each step is exact.
        """
        wanted: dict[str, Any] = {"mailbox": mailbox, "folder": folder, "uid": {"$lte": last_uid}}
        if before is not None:
            wanted["received_at"] = {"$lt": before}
        return await self._expunge_all(mailbox, wanted)

    async def remove_all(self, mailbox: str) -> None:
        """Every message of a mailbox that is going away, and what remembers them."""
        await self._expunge_all(mailbox, {"mailbox": mailbox})
        with mongo_errors("remove mailbox"):
            await self._collections.tombstones.delete_many({"mailbox": mailbox})
            await self._collections.told.delete_one({"_id": mailbox})

    async def _expunge_all(self, mailbox: str, wanted: Mapping[str, Any]) -> Usage | None:
        usage = None
        while True:
            with mongo_errors("find messages"):
                found = await self._collections.messages.find(wanted, {"_id": 1}).limit(AT_ONCE).to_list(None)
            if not found:
                return usage
            try:
                usage = (await self.expunge(mailbox, [document["_id"] for document in found])).usage
            except NotThere:
                continue  # someone else was quicker

    async def _read(
        self, session: Any, mailbox: str, ids: Sequence[str], fields: Mapping[str, int] = LISTED
    ) -> Documents:
        """In the order of their UIDs, so that copies and moves keep it."""
        wanted = {"_id": {"$in": list(ids[:AT_ONCE])}, "mailbox": mailbox}
        found: Documents = await self._collections.messages.find(
            wanted, fields or None, session=session
        ).sort([("folder", 1), ("uid", 1)]).to_list(None)  # fmt: skip
        if not found:
            raise NotThere("there is no such message")
        return found

    async def _count(
        self, session: Any, mailbox: str, counts: Counter[str], folders: Iterable[str], *, target: str | None = None
    ) -> dict[str, Any]:
        """Change the counters, number the change in each of `folders`; the mailbox as it is afterwards."""
        wanted = {"_id": mailbox, **({f"folders.{target}": {"$exists": True}} if target else {})}
        folders = set(folders)
        if not folders:
            return await self._unchanged(session, wanted)
        for folder in folders:
            counts[f"folders.{folder}.modseq"] += 1
        counts["version"] += 1
        state: dict[str, Any] | None = await self._collections.mailboxes.find_one_and_update(
            wanted,
            {"$inc": dict(counts), "$set": {"changed_at": self._clock()}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if state is None:
            raise NotThere("there is no such folder")
        return state

    async def _unchanged(self, session: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] | None = await self._collections.mailboxes.find_one(wanted, session=session)
        if state is None:
            raise NotThere("there is no such folder")
        return state

    async def _bury(
        self, session: Any, mailbox: str, documents: Documents, state: Mapping[str, Any], *, keys: bool
    ) -> None:
        """Tombstones of UIDs that leave their folder, and of keys that must not be delivered again."""
        leaving: dict[str, Documents] = {}
        for document in documents:
            leaving.setdefault(document["folder"], []).append(document)
        stones = [
            {
                "mailbox": mailbox,
                "folder": folder,
                "modseq": state["folders"][folder]["modseq"],
                "uids": [document["uid"] for document in members],
                **({"keys": [d["key"] for d in members if "key" in d]} if keys else {}),
                "expires_at": self._clock() + self._keep,
            }
            for folder, members in leaving.items()
        ]
        if stones:
            await self._collections.tombstones.insert_many(stones, session=session)

    async def _rewrite(self, session: Any, documents: Documents, fields: Sequence[str]) -> None:
        if documents:
            await self._collections.messages.bulk_write(
                [UpdateOne({"_id": d["_id"]}, {"$set": {field: d[field] for field in fields}}) for d in documents],
                ordered=False,
                session=session,
            )


def _leaving(documents: Documents) -> Counter[str]:
    counts: Counter[str] = Counter()
    for document in documents:
        folder = f"folders.{document['folder']}"
        counts[f"{folder}.messages"] -= 1
        counts[f"{folder}.bytes"] -= document["size"]
        counts[f"{folder}.unseen"] -= SEEN not in document["flags"]
    return counts


def _arriving(documents: Documents, folder: str) -> Counter[str]:
    return Counter(
        {
            f"folders.{folder}.messages": len(documents),
            f"folders.{folder}.bytes": sum(document["size"] for document in documents),
            f"folders.{folder}.unseen": sum(SEEN not in document["flags"] for document in documents),
            f"folders.{folder}.last_uid": len(documents),
        }
    )


def _copy_key(key: str, id: str) -> str:
    return f"copy:{key}:{id}"
