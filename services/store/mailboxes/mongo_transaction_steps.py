"""Steps that changes of messages share inside a transaction: read, count, write tombstones of UIDs, write fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import ReturnDocument, UpdateMany, UpdateOne
from services.store.mailboxes.flags import SEEN
from services.store.mailboxes.refusals import NotFound
from services.store.mailboxes.schema import LIST_PROJECTION, Collections

MAX_BATCH = 1000  # messages in one transaction

Documents = list[dict[str, Any]]


class MongoTransactionSteps:
    """Methods raise the driver's errors, for the transaction around them."""

    def __init__(self, collections: Collections, *, clock: Callable[[], datetime], tombstone_keep: timedelta) -> None:
        self._collections = collections
        self._clock = clock
        self._keep = tombstone_keep

    async def read(
        self, session: Any, mailbox: str, ids: Sequence[str], fields: Mapping[str, int] = LIST_PROJECTION
    ) -> Documents:
        """Return the messages in the order of their UIDs, so that copies and moves keep it."""
        wanted = {"_id": {"$in": list(ids[:MAX_BATCH])}, "mailbox": mailbox}
        found: Documents = await self._collections.messages.find(
            wanted, fields or None, session=session
        ).sort([("folder", 1), ("uid", 1)]).to_list(None)  # fmt: skip
        if not found:
            raise NotFound("there is no such message")
        return found

    async def update_counters(
        self,
        session: Any,
        mailbox: str,
        counts: Counter[str],
        folders: Iterable[str],
        *,
        target: str | None = None,
        expunged: bool = False,
        leaving: bool = False,
    ) -> dict[str, Any]:
        """Update the counters, assign a modseq in each of `folders`, and return the mailbox after that.

        `leaving` selects a mailbox whose account was deleted; no other change touches it.
        """
        mark = {"leaving": {"$exists": True}} if leaving else {"leaving": None}
        wanted = {"_id": mailbox, **mark, **({f"folders.{target}": {"$exists": True}} if target else {})}
        folders = set(folders)
        if not folders:
            return await self._unchanged(session, wanted)
        for folder in folders:
            counts[f"folders.{folder}.modseq"] += 1
        counts["version"] += 1
        now = self._clock()
        state: dict[str, Any] | None = await self._collections.mailboxes.find_one_and_update(
            wanted,
            {"$inc": dict(counts), "$set": {"changed_at": now, **({"expunged_at": now} if expunged else {})}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if state is None:
            raise NotFound("there is no such folder")
        return state

    async def _unchanged(self, session: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] | None = await self._collections.mailboxes.find_one(wanted, session=session)
        if state is None:
            raise NotFound("there is no such folder")
        return state

    async def write_tombstones(
        self, session: Any, mailbox: str, documents: Documents, state: Mapping[str, Any], *, keys: bool
    ) -> None:
        """Write tombstones of UIDs that leave their folder, and of keys that must not be delivered again."""
        now = self._clock()
        leaving: dict[str, Documents] = {}
        for document in documents:
            leaving.setdefault(document["folder"], []).append(document)
        stones = [
            {
                "mailbox": mailbox,
                "folder": folder,
                "modseq": state["folders"][folder]["modseq"],
                "uids": [document["uid"] for document in members],
                **({"keys": _recent_keys(members, now - self._keep)} if keys else {}),
                "expires_at": now + self._keep,
            }
            for folder, members in leaving.items()
        ]
        if stones:
            await self._collections.tombstones.insert_many(stones, session=session)

    async def write_fields(self, session: Any, documents: Documents, fields: Sequence[str]) -> None:
        """Write `fields` of `documents`; documents with the same values share one update."""
        alike: dict[tuple[Any, ...], list[str]] = {}
        for document in documents:
            alike.setdefault(tuple(document[field] for field in fields), []).append(document["_id"])
        changes = [
            UpdateMany({"_id": {"$in": ids}}, {"$set": dict(zip(fields, values, strict=True))})
            if len(ids) > 1
            else UpdateOne({"_id": ids[0]}, {"$set": dict(zip(fields, values, strict=True))})
            for values, ids in alike.items()
        ]
        if changes:
            await self._collections.messages.bulk_write(changes, ordered=False, session=session)


def _recent_keys(documents: Documents, since: datetime) -> list[str]:
    """A queue never redelivers a message after this time, so the keys of older messages need no tombstone."""
    return [d["key"] for d in documents if "key" in d and d["received_at"] >= since]


def counters_out(documents: Documents) -> Counter[str]:
    """Return the counter changes for messages that leave their folders."""
    counts: Counter[str] = Counter()
    for document in documents:
        folder = f"folders.{document['folder']}"
        counts[f"{folder}.messages"] -= 1
        counts[f"{folder}.bytes"] -= document["size"]
        counts[f"{folder}.unseen"] -= SEEN not in document["flags"]
    return counts


def counters_in(documents: Documents, folder: str) -> Counter[str]:
    """Return the counter changes for messages that arrive in `folder`."""
    return Counter(
        {
            f"folders.{folder}.messages": len(documents),
            f"folders.{folder}.bytes": sum(document["size"] for document in documents),
            f"folders.{folder}.unseen": sum(SEEN not in document["flags"] for document in documents),
            f"folders.{folder}.last_uid": len(documents),
        }
    )
