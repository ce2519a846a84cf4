"""The outbound queue in MongoDB.

`messages` {_id, envelope, raw | blob in the envelope, expires_at}; `entries` {_id: MESSAGE:RECIPIENT, ...} as in
`domain.entries`, with `lease` and `lease_until` while they are being sent, and `expires_at` once they are done;
`destinations` {_id: domain, suspended}.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from libs.envelope import Envelope, Mail
from libs.mail.address import domain_of
from libs.mongo import Batcher, UpdateOne, mongo_errors
from services.relay.domain.entries import Entry, Next, State

_DONE = [State.SENT, State.FAILED, State.CANCELLED]


class MongoQueue:
    """Right with several replicas: an entry is claimed by one of them, until its lease ends."""

    def __init__(self, database: Any, *, keep_done: timedelta, keep_message: timedelta) -> None:
        self._messages = database["messages"]
        self._entries = database["entries"]
        self._destinations = database["destinations"]
        self._keep_done = keep_done
        self._keep_message = keep_message
        self._additions: Batcher[tuple[Mail, datetime], None] = Batcher(self._add)

    async def prepare(self) -> None:
        """Create the indexes."""
        with mongo_errors("outbound queue"):
            await self._entries.create_index([("state", 1), ("next_at", 1)])
            await self._entries.create_index([("destination", 1), ("state", 1)])
            await self._entries.create_index("expires_at", expireAfterSeconds=0)
            await self._messages.create_index("expires_at", expireAfterSeconds=0)

    async def add(self, mail: Mail, *, now: datetime) -> None:
        """Durable when it returns. A message that comes twice is queued once for each recipient."""
        await self._additions.add((mail, now))

    async def _add(self, batch: Sequence[tuple[Mail, datetime]]) -> Sequence[None]:
        messages = [_insert(mail.envelope.id, self._message(mail, now)) for mail, now in batch]
        entries = [
            _insert(f"{mail.envelope.id}:{recipient.address}", _entry(mail.envelope.id, recipient.address, now))
            for mail, now in batch
            for recipient in mail.envelope.recipients
        ]
        with mongo_errors("outbound queue"):
            # The message first: an entry never lacks its message.
            await self._messages.bulk_write(messages, ordered=False)
            await self._entries.bulk_write(entries, ordered=False)
        return [None] * len(batch)

    def _message(self, mail: Mail, now: datetime) -> dict[str, Any]:
        return {
            "envelope": mail.envelope.model_dump_json(),
            "raw": None if mail.envelope.blob is not None else mail.raw,
            "expires_at": now + self._keep_message,
        }

    async def claim(self, *, now: datetime, lease: timedelta, limit: int, busy: Collection[str]) -> list[Entry]:
        """Up to `limit` due entries, ours until the lease ends; none of destinations that are `busy` or suspended."""
        token = uuid.uuid4().hex
        with mongo_errors("outbound queue"):
            suspended = [document["_id"] async for document in self._destinations.find({"suspended": True})]
            due = {
                "$or": [
                    {"state": State.QUEUED, "next_at": {"$lte": now}},
                    {"state": State.SENDING, "lease_until": {"$lte": now}},
                ],
                "destination": {"$nin": [*suspended, *busy]},
            }
            query = self._entries.find(due, {"_id": 1}).sort("next_at", 1).limit(limit)
            ids = [document["_id"] async for document in query]
            if not ids:
                return []
            change = {"state": State.SENDING, "lease": token, "lease_until": now + lease}
            await self._entries.update_many({"_id": {"$in": ids}, **due}, {"$set": change, "$inc": {"attempts": 1}})
            return [_read(document) async for document in self._entries.find({"_id": {"$in": ids}, "lease": token})]

    async def message(self, id: str) -> Mail | None:
        """With its bytes, unless they are in the blob store; None when it is gone."""
        with mongo_errors("outbound queue"):
            document = await self._messages.find_one({"_id": id})
        if document is None:
            return None
        return Mail(Envelope.model_validate_json(document["envelope"]), document["raw"])

    async def settle(self, outcomes: Sequence[tuple[Entry, Next]], *, now: datetime) -> None:
        """Write down what a try did; an entry that was cancelled meanwhile stays cancelled."""
        writes = [
            UpdateOne({"_id": entry.id, "state": State.SENDING}, self._change(entry, then, now))
            for entry, then in outcomes
        ]
        with mongo_errors("outbound queue"):
            await self._entries.bulk_write(writes, ordered=False)

    def _change(self, entry: Entry, then: Next, now: datetime) -> dict[str, Any]:
        fields: dict[str, Any] = {"state": then.state, "next_at": then.next_at, "last_reply": then.reply}
        if then.state in _DONE:
            fields["expires_at"] = now + self._keep_done
        if then.tell == "delayed":
            fields["notified_delay"] = True
        return {"$set": fields, "$unset": {"lease": "", "lease_until": ""}}

    async def listing(
        self, *, state: State | None, destination: str | None, after: str | None, limit: int
    ) -> list[Entry]:
        """In the order of their ids, which is that of time."""
        query: dict[str, Any] = {}
        query |= {"state": state} if state else {}
        query |= {"destination": destination} if destination else {}
        query |= {"_id": {"$gt": after}} if after else {}
        with mongo_errors("outbound queue"):
            return [_read(document) async for document in self._entries.find(query).sort("_id", 1).limit(limit)]

    async def hasten(self, id: str, *, now: datetime) -> bool:
        """Try it now; False when it does not wait."""
        with mongo_errors("outbound queue"):
            result = await self._entries.update_one({"_id": id, "state": State.QUEUED}, {"$set": {"next_at": now}})
        return bool(result.matched_count)

    async def cancel(self, id: str, *, now: datetime) -> bool:
        """Never try it again and tell nobody; False when it does not wait."""
        change = {"state": State.CANCELLED, "expires_at": now + self._keep_done}
        with mongo_errors("outbound queue"):
            result = await self._entries.update_one({"_id": id, "state": State.QUEUED}, {"$set": change})
        return bool(result.matched_count)

    async def suspend(self, destination: str, *, suspended: bool) -> None:
        """Hold or free all mail for `destination`."""
        with mongo_errors("outbound queue"):
            await self._destinations.update_one({"_id": destination}, {"$set": {"suspended": suspended}}, upsert=True)

    async def destinations(self) -> list[dict[str, Any]]:
        """Those with mail that waits or that are suspended: {destination, waiting, suspended}."""
        alive = {"$match": {"state": {"$in": [State.QUEUED, State.SENDING]}}}
        count = {"$group": {"_id": "$destination", "waiting": {"$sum": 1}}}
        with mongo_errors("outbound queue"):
            waiting = {d["_id"]: d["waiting"] async for d in await self._entries.aggregate([alive, count])}
            suspended = {d["_id"] async for d in self._destinations.find({"suspended": True})}
        names = sorted({*waiting, *suspended})
        return [{"destination": n, "waiting": waiting.get(n, 0), "suspended": n in suspended} for n in names]


def _insert(id: str, fields: dict[str, Any]) -> UpdateOne:
    return UpdateOne({"_id": id}, {"$setOnInsert": fields}, upsert=True)


def _entry(message: str, recipient: str, now: datetime) -> dict[str, Any]:
    return {
        "message": message,
        "recipient": recipient,
        "destination": domain_of(recipient),
        "state": State.QUEUED,
        "attempts": 0,
        "created_at": now,
        "next_at": now,
    }


def _read(document: dict[str, Any]) -> Entry:
    return Entry(
        id=document["_id"],
        message=document["message"],
        recipient=document["recipient"],
        destination=document["destination"],
        state=State(document["state"]),
        attempts=document["attempts"],
        created_at=document["created_at"],
        next_at=document["next_at"],
        notified_delay=document.get("notified_delay", False),
        last_reply=document.get("last_reply", ""),
    )
