"""The quarantine: entries that share bodies with the mailboxes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from libs.envelope import Envelope
from libs.mail.headers import Headers
from libs.mongo import Batcher, Mongo, UpdateOne, mongo_errors
from services.store.adapters.mongo_bodies import BodiesGone, MongoBodies
from services.store.adapters.mongo_collections import Collections
from services.store.domain.messages import Body, Summary, summarise
from services.store.domain.quarantine import Held, domains_of, held_id, is_infected
from services.store.domain.refusals import NotThere

AT_ONCE = 500  # expired entries in one transaction


class MongoQuarantine:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(
        self,
        mongo: Mongo,
        collections: Collections,
        bodies: MongoBodies,
        *,
        clock: Callable[[], datetime],
        keep: timedelta,
    ) -> None:
        self._mongo = mongo
        self._entries = collections.quarantine
        self._bodies = bodies
        self._clock = clock
        self._keep = keep
        self._batcher: Batcher[tuple[Envelope, Body], None] = Batcher(self._flush, max_items=50)

    async def add(self, envelope: Envelope, body: Body) -> None:
        """Durable on return; the same message for the same recipients is there once."""
        await self._bodies.write_large([body])
        await self._batcher.add((envelope, body))

    async def _flush(self, batch: Sequence[tuple[Envelope, Body]]) -> list[None]:
        entries = {held_id(envelope): self._entry(envelope, body) for envelope, body in batch}
        bodies = [body for _, body in batch]

        async def write(session: Any) -> None:
            await self._bodies.refer(session, bodies)
            await self._entries.bulk_write(
                [UpdateOne({"_id": id}, {"$setOnInsert": entry}, upsert=True) for id, entry in entries.items()],
                ordered=False,
                session=session,
            )

        try:
            await self._mongo.transaction(write)
        except BodiesGone:
            await self._bodies.write_large(bodies)
            await self._mongo.transaction(write)
        return [None] * len(batch)

    def _entry(self, envelope: Envelope, body: Body) -> dict[str, Any]:
        summary, now = summarise(Headers(body.raw)), self._clock()
        return {
            "envelope": envelope.model_dump_json(exclude_defaults=True),
            "body": body.id,
            "reason": envelope.quarantine_reason,
            "infected": is_infected(envelope),
            "domains": domains_of(envelope),
            "subject": summary.subject,
            "from": summary.sender,
            "to": summary.to,
            "message_id": summary.message_id,
            "date": summary.date,
            "at": now,
            "expires_at": now + self._keep,
        }

    async def get(self, id: str) -> Held:
        """Raises `NotThere`."""
        with mongo_errors("read quarantine"):
            found = await self._entries.find_one({"_id": id})
        if found is None:
            raise NotThere("there is no such quarantined message")
        return _held(found)

    async def page(self, *, domain: str, reason: str, infected: bool | None, after: str, limit: int) -> list[Held]:
        """Newest first, behind the id `after`; `reason` is a part of the reason, in any case."""
        wanted: dict[str, Any] = {}
        if domain:
            wanted["domains"] = domain
        if reason:
            wanted["reason"] = {"$regex": re.escape(reason), "$options": "i"}
        if infected is not None:
            wanted["infected"] = infected
        if after:
            wanted["_id"] = {"$lt": after}
        with mongo_errors("list quarantine"):
            found = await self._entries.find(wanted).sort("_id", -1).limit(limit).to_list(None)
        return [_held(document) for document in found]

    async def narrow(self, id: str, envelope: Envelope) -> None:
        """Only these recipients still wait."""
        change = {"envelope": envelope.model_dump_json(exclude_defaults=True), "domains": domains_of(envelope)}
        with mongo_errors("narrow quarantine"):
            await self._entries.update_one({"_id": id}, {"$set": change})

    async def remove(self, *ids: str) -> int:
        """How many there were."""

        async def work(session: Any) -> int:
            wanted = {"_id": {"$in": list(ids)}}
            found = await self._entries.find(wanted, {"body": 1}, session=session).to_list(None)
            await self._bodies.loosen(session, (document["body"] for document in found))
            result = await self._entries.delete_many(wanted, session=session)
            return int(result.deleted_count)

        return await self._mongo.transaction(work)

    async def expire(self) -> int:
        """Remove what is too old; how many those were."""
        expired = 0
        while True:
            with mongo_errors("expire quarantine"):
                wanted = {"expires_at": {"$lte": self._clock()}}
                found = await self._entries.find(wanted, {"_id": 1}).limit(AT_ONCE).to_list(None)
            if not found:
                return expired
            expired += await self.remove(*(document["_id"] for document in found))


def _held(document: dict[str, Any]) -> Held:
    return Held(
        id=document["_id"],
        envelope=Envelope.model_validate_json(document["envelope"]),
        body=document["body"],
        summary=Summary(
            document["subject"], document["from"], document["to"], document["message_id"], document["date"]
        ),
        at=document["at"],
        expires_at=document["expires_at"],
    )
