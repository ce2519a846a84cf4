"""Migrates entries of an older version, which kept them in `entries` and `messages`, without losing any.

An older replica may still run and send the entries that are `queued` there. Each entry is therefore first marked as
`moving`, which hides it, then written anew, then deleted. After a crash in between the next round continues. Entries
that an older replica is sending are left to it until its lease expires.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from libs.envelope import Envelope, Mail, Recipient
from libs.mongo import DeleteOne, UpdateOne, mongo_errors
from services.relay.adapters.bodies import Bodies
from services.relay.adapters.documents import Document, new_entry
from services.relay.domain.entries import State

_PAGE = 200
_REST = timedelta(hours=1)
_MOVING = "moving"
_KEPT = ("state", "attempts", "created_at", "next_at", "notified_delay", "last_reply", "expires_at")


class LegacyMigration:
    """Does one round of background work at a time. Several replicas may do so concurrently."""

    def __init__(self, database: Any) -> None:
        self._old_entries = database["entries"]
        self._old_messages = database["messages"]
        self._entries = database["deliveries"]
        self._bodies = Bodies(database)

    async def round(self, *, now: datetime) -> int:
        """Migrate entries, and return their number; 0 when there was none (yet)."""
        moved = 0
        with mongo_errors("outbound queue of an older version"):
            await self._keep_messages()
            # Finished entries too: they suppress duplicates of their messages.
            while page := [d async for d in self._old_entries.find(_free(now)).limit(_PAGE)]:
                moved += await self._move(page, now)
            if not moved and await self._old_entries.find_one({}, {"_id": 1}) is None:
                await self._forget_messages(now)
        return moved

    async def _keep_messages(self) -> None:
        """Drop the index by which the older version let messages expire."""
        for name, index in (await self._old_messages.index_information()).items():
            if "expireAfterSeconds" in index:
                await self._old_messages.drop_index(name)

    async def _forget_messages(self, now: datetime) -> None:
        """Delete messages without entries, after a pause: an older replica writes a message before its entries."""
        await self._old_messages.delete_many({"without_entries_since": {"$lte": now - _REST}})
        unmarked = {"without_entries_since": None}
        await self._old_messages.update_many(unmarked, {"$set": {"without_entries_since": now}})

    async def _move(self, page: list[Document], now: datetime) -> int:
        writes = [
            UpdateOne({"_id": d["_id"], "state": d["state"], "lease": d.get("lease")}, {"$set": _hidden(d)})
            for d in page
        ]
        await self._old_entries.bulk_write(writes, ordered=False)
        query = self._old_entries.find({"_id": {"$in": [d["_id"] for d in page]}, "state": _MOVING})
        hidden = [document async for document in query]
        messages = await self._messages({document["message"] for document in hidden})
        await self._bodies.add([mail for mail in messages.values() if mail.content or mail.envelope.blob])
        anew = [
            UpdateOne({"_id": d["_id"]}, {"$setOnInsert": _entry(d, messages.get(d["message"]), now)}, upsert=True)
            for d in hidden
        ]
        if hidden:
            await self._entries.bulk_write(anew, ordered=False)
            await self._old_entries.bulk_write([DeleteOne({"_id": d["_id"]}) for d in hidden], ordered=False)
        return len(hidden)

    async def _messages(self, ids: set[str]) -> dict[str, Mail]:
        found = [document async for document in self._old_messages.find({"_id": {"$in": list(ids)}})]
        return {d["_id"]: Mail(Envelope.model_validate_json(d["envelope"]), d["raw"]) for d in found}


def _free(now: datetime) -> Document:
    """Select all entries but those on which an older replica has a valid lease."""
    return {"$nor": [{"state": State.SENDING, "lease_until": {"$gt": now}}]}


def _hidden(document: Document) -> Document:
    """Hide an entry; `was` keeps its state, across a crash as well."""
    return {"state": _MOVING, "was": document["state"] if document["state"] != _MOVING else document["was"]}


def _entry(old: Document, mail: Mail | None, now: datetime) -> Document:
    recipients = mail.envelope.recipients if mail else ()
    found = next((r for r in recipients if r.address == old["recipient"]), Recipient(address=old["recipient"]))
    kept = {name: old[name] for name in _KEPT if name in old}
    if old["was"] == State.SENDING:
        kept |= {"next_at": now}
    state = State.QUEUED if old["was"] == State.SENDING else old["was"]
    return new_entry(old["message"], found, now) | kept | {"state": state}
