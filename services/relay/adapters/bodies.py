"""The messages of the queue: `bodies` {_id, envelope, raw | blob in the envelope, done_at?}.

A message is deleted after its last entry, and does not expire. Soon after entries are finished `done_at` is written;
minutes later the message is deleted, if none of its entries is active. An addition removes `done_at` first, so that it
keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from libs.envelope import Envelope, Mail
from libs.mongo import DeleteOne, UpdateOne, mongo_errors
from services.relay.adapters.documents import without_recipients

# Longer than an addition may take (the deadline of a handler), so that its message is not deleted meanwhile.
REST = timedelta(minutes=5)
_PAGE = 100
_MARKED = 1000  # in a write


class Bodies:
    """Stores envelopes without recipients, and bytes."""

    def __init__(self, database: Any) -> None:
        self._bodies = database["bodies"]
        self._entries = database["deliveries"]
        self._done: set[str] = set()

    async def prepare(self) -> None:
        """Create the indexes."""
        with mongo_errors("outbound queue"):
            await self._bodies.create_index("done_at", sparse=True)

    async def add(self, mails: Sequence[Mail]) -> None:
        """Store messages, before their entries: an entry never lacks its message."""
        writes = [
            UpdateOne(
                {"_id": mail.envelope.id}, {"$setOnInsert": _fields(mail), "$unset": {"done_at": ""}}, upsert=True
            )
            for mail in mails
        ]
        with mongo_errors("outbound queue"):
            await self._bodies.bulk_write(writes, ordered=False)

    async def get(self, messages: Collection[str]) -> dict[str, Mail]:
        """The messages that exist. The bytes of a large one are in the blob store, and not in `content`."""
        with mongo_errors("outbound queue"):
            found = [document async for document in self._bodies.find({"_id": {"$in": list(messages)}})]
        return {d["_id"]: Mail(Envelope.model_validate_json(d["envelope"]), d["raw"]) for d in found}

    def done(self, messages: Iterable[str]) -> None:
        """Remember messages with finished entries, for `collect` to examine."""
        self._done.update(messages)

    async def collect(self, *, now: datetime) -> list[tuple[str, str | None]]:
        """Delete the messages without active entries, and return them with their blobs."""
        await self._mark_done(now)
        deleted: list[tuple[str, str | None]] = []
        with mongo_errors("outbound queue"):
            while True:
                query = self._bodies.find({"done_at": {"$lte": now - REST}}, {"done_at": 1, "envelope": 1}).limit(_PAGE)
                page = [document async for document in query]
                if not page:
                    return deleted
                alive = await self._alive([document["_id"] for document in page])
                # Only unchanged ones: a concurrent addition has removed `done_at`.
                over = [d for d in page if d["_id"] not in alive]
                deletions = [DeleteOne(_as_seen(d)) for d in over]
                kept = [UpdateOne(_as_seen(d), {"$unset": {"done_at": ""}}) for d in page if d["_id"] in alive]
                await self._bodies.bulk_write([*deletions, *kept], ordered=False)
                deleted += map(_with_blob, over)

    async def page(self, after: str) -> list[tuple[str, str | None]]:
        """A page of messages behind the id `after`, with their blobs. Messages without active entries are marked as
        finished, which a process that died may have missed."""
        with mongo_errors("outbound queue"):
            query = self._bodies.find({"_id": {"$gt": after}}, {"envelope": 1}).sort("_id", 1).limit(_PAGE)
            found = [document async for document in query]
            alive = await self._alive([document["_id"] for document in found]) if found else set()
        self.done(document["_id"] for document in found if document["_id"] not in alive)
        return [_with_blob(d) for d in found]

    async def has(self, message: str) -> bool:
        """Whether it is there."""
        with mongo_errors("outbound queue"):
            return await self._bodies.find_one({"_id": message}, {"_id": 1}) is not None

    async def _mark_done(self, now: datetime) -> None:
        while self._done:
            some = list(islice(self._done, _MARKED))
            with mongo_errors("outbound queue"):
                await self._bodies.update_many({"_id": {"$in": some}}, {"$set": {"done_at": now}})
            self._done.difference_update(some)

    async def _alive(self, messages: list[str]) -> set[str]:
        """By the ids of entries, which begin with those of their messages: no index of its own has to be kept."""
        of_messages = [{"_id": {"$gt": f"{id}:", "$lt": f"{id};"}, "expires_at": None} for id in messages]
        return {d["message"] async for d in self._entries.find({"$or": of_messages}, {"message": 1})}


def _as_seen(document: dict[str, Any]) -> dict[str, Any]:
    return {"_id": document["_id"], "done_at": document["done_at"]}


def _with_blob(document: dict[str, Any]) -> tuple[str, str | None]:
    return document["_id"], Envelope.model_validate_json(document["envelope"]).blob


def _fields(mail: Mail) -> dict[str, Any]:
    raw = None if mail.envelope.blob is not None else mail.raw
    return {"envelope": without_recipients(mail.envelope), "raw": raw}
