"""Entries of an older version, which kept them in `entries` and `messages`: taken over one by one, nothing is lost.

An older replica may still run, and sends what it finds `queued` there. So each entry is first taken out of its sight
(`moving`), then written anew, then deleted; a crash between leaves it `moving`, and the next round goes on with it.
What an older replica is sending is left to it until its lease is over.
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
    """A round of background work. Several replicas may do it at a time."""

    def __init__(self, database: Any) -> None:
        self._old_entries = database["entries"]
        self._old_messages = database["messages"]
        self._entries = database["deliveries"]
        self._bodies = Bodies(database)

    async def round(self, *, now: datetime) -> int:
        """How many entries were taken over; 0 when there was nothing (yet)."""
        moved = 0
        with mongo_errors("outbound queue of an older version"):
            await self._keep_messages()
            # Done ones too: they keep a message single that comes a second time.
            while page := [d async for d in self._old_entries.find(_free(now)).limit(_PAGE)]:
                moved += await self._move(page, now)
            if not moved and await self._old_entries.find_one({}, {"_id": 1}) is None:
                await self._forget_messages(now)
        return moved

    async def _keep_messages(self) -> None:
        """The older version let them go by a clock."""
        for name, index in (await self._old_messages.index_information()).items():
            if "expireAfterSeconds" in index:
                await self._old_messages.drop_index(name)

    async def _forget_messages(self, now: datetime) -> None:
        """Without entries they serve nobody; but an older replica writes a message before its entries."""
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
    """All but those that an older replica has, by a lease that is not over."""
    return {"$nor": [{"state": State.SENDING, "lease_until": {"$gt": now}}]}


def _hidden(document: Document) -> Document:
    """`was` keeps what it was, over a crash as well."""
    return {"state": _MOVING, "was": document["state"] if document["state"] != _MOVING else document["was"]}


def _entry(old: Document, mail: Mail | None, now: datetime) -> Document:
    recipients = mail.envelope.recipients if mail else ()
    found = next((r for r in recipients if r.address == old["recipient"]), Recipient(address=old["recipient"]))
    kept = {name: old[name] for name in _KEPT if name in old}
    if old["was"] == State.SENDING:
        kept |= {"next_at": now}
    state = State.QUEUED if old["was"] == State.SENDING else old["was"]
    return new_entry(old["message"], found, now) | kept | {"state": state}
