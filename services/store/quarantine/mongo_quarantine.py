"""The storage of the quarantine: entries that share bodies with the mailboxes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from libs.envelope import Envelope, Recipient
from libs.mail.headers import Headers
from libs.mongo import Batcher, Mongo, UpdateOne, mongo_errors
from services.store.mailboxes.messages import Body, Summary, summarise
from services.store.mailboxes.mongo_bodies import BodiesCollected, MongoBodies
from services.store.mailboxes.refusals import NotFound
from services.store.mailboxes.schema import Collections
from services.store.quarantine.model import (
    QuarantinedMessage,
    QuarantineFilter,
    accounts_of,
    domains_of,
    entry_id,
    is_infected,
    without,
)
from services.store.quarantine.notice import no_notice_reason

log = structlog.get_logger(__name__)

_NEVER = datetime.min.replace(tzinfo=UTC)
MAX_BATCH = 500  # expired entries in one transaction


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
        self._departed = collections.departed
        self._bodies = bodies
        self._clock = clock
        self._keep = keep
        self._batcher: Batcher[tuple[Envelope, Body], Envelope | None] = Batcher(self._flush, max_items=50)

    async def insert(self, envelope: Envelope, body: Body) -> Envelope | None:
        """Store the message durably; the same message for the same recipients is stored once.

        Returns the envelope of the recipients it is held for. Recipients whose account was deleted after the mail came
        in are left out; None when all are.
        """
        await self._bodies.write_large([body])
        return await self._batcher.add((envelope, body))

    async def _flush(self, batch: Sequence[tuple[Envelope, Body]]) -> list[Envelope | None]:
        entries = {entry_id(envelope): self._entry(envelope, body) for envelope, body in batch}
        bodies = [body for _, body in batch]

        async def write(session: Any) -> None:
            await self._bodies.ref(session, bodies)
            await self._entries.bulk_write(
                [UpdateOne({"_id": id}, {"$setOnInsert": entry}, upsert=True) for id, entry in entries.items()],
                ordered=False,
                session=session,
            )

        try:
            await self._mongo.transaction(write)
        except BodiesCollected:
            await self._bodies.write_large(bodies)
            await self._mongo.transaction(write)
        # Read after the entries are written: a deletion of an account from now on finds them itself.
        ended = await self._deletion_times({_owner(to) for envelope, _ in batch for to in envelope.recipients})
        waiting = [_still_waiting(envelope, ended) for envelope, _ in batch]
        for (envelope, _), staying in zip(batch, waiting, strict=True):
            if staying != envelope:
                for account in {_owner(to) for to in envelope.recipients}.intersection(ended):
                    await self.delete_account(account, before=ended[account])
        return waiting

    async def _deletion_times(self, accounts: Collection[str]) -> dict[str, datetime]:
        with mongo_errors("read tombstones of accounts"):
            found = await self._departed.find({"_id": {"$in": list(accounts)}}, {"deleted_at": 1}).to_list(None)
        return {document["_id"]: document["deleted_at"] for document in found}

    def _entry(self, envelope: Envelope, body: Body) -> dict[str, Any]:
        headers, now = Headers(body.raw), self._clock()
        summary, refusal = summarise(headers), no_notice_reason(envelope, headers)
        return {
            **_of_recipients(envelope),
            "body": body.id,
            "reason": envelope.quarantine_reason,
            "infected": is_infected(envelope),
            "sender": envelope.mail_from,
            "subject": summary.subject,
            "from": summary.sender,
            "to": summary.to,
            "message_id": summary.message_id,
            "date": summary.date,
            "at": now,
            "expires_at": now + self._keep,
            "notice": {"state": "none", "reason": refusal} if refusal else {"state": "due", "due_at": now, "tries": 0},
        }

    async def get(self, id: str) -> QuarantinedMessage:
        """Return an entry. Raises `NotFound`."""
        with mongo_errors("read quarantine"):
            found = await self._entries.find_one({"_id": id})
        if found is None:
            raise NotFound("there is no such quarantined message")
        return message_of(found)

    async def page(self, wanted: QuarantineFilter, *, after: str, limit: int) -> list[QuarantinedMessage]:
        """Return a page of entries, newest first, behind the id `after`."""
        query = _query(wanted)
        if after:
            query["_id"] = {"$lt": after}
        with mongo_errors("list quarantine"):
            found = await self._entries.find(query).sort("_id", -1).limit(limit).to_list(None)
        return [message_of(document) for document in found]

    async def remove_recipients(self, id: str, addresses: Collection[str]) -> None:
        """Remove recipients; with the last of them the entry is deleted. Idempotent."""
        while True:
            with mongo_errors("narrow quarantine"):
                found = await self._entries.find_one({"_id": id}, {"envelope": 1})
            if found is None:
                return
            staying = without(Envelope.model_validate_json(found["envelope"]), addresses)
            if staying is None:
                # These were all recipients: a concurrent removal finds none left.
                await self.delete(id)
                return
            with mongo_errors("narrow quarantine"):
                # Of two concurrent removals one fails and reads the entry again.
                done = await self._entries.update_one(found, {"$set": _of_recipients(staying)})
            if done.matched_count:
                return

    async def delete_account(self, account: str, *, before: datetime) -> None:
        """Remove `account` from messages accepted before that time; their other recipients stay."""
        with mongo_errors("read quarantine"):
            found = await self._entries.find({"recipients": account}).to_list(None)
        for held in filter(None, map(readable_message, found)):
            if held.envelope.received_at < before:
                own = [to.address for to in held.envelope.recipients if account in (to.account, to.address.lower())]
                await self.remove_recipients(held.id, own)

    async def delete(self, *ids: str) -> int:
        """Delete entries and return how many existed."""

        async def work(session: Any) -> int:
            wanted = {"_id": {"$in": list(ids)}}
            found = await self._entries.find(wanted, {"body": 1}, session=session).to_list(None)
            await self._bodies.unref(session, (document["body"] for document in found))
            result = await self._entries.delete_many(wanted, session=session)
            return int(result.deleted_count)

        return await self._mongo.transaction(work)

    async def expire(self) -> int:
        """Delete expired entries and return how many there were."""
        expired = 0
        while True:
            with mongo_errors("expire quarantine"):
                wanted = {"expires_at": {"$lte": self._clock()}}
                found = await self._entries.find(wanted, {"_id": 1}).limit(MAX_BATCH).to_list(None)
            if not found:
                return expired
            expired += await self.delete(*(document["_id"] for document in found))


def _owner(to: Recipient) -> str:
    return to.account or to.address.lower()


def _still_waiting(envelope: Envelope, ended: Mapping[str, datetime]) -> Envelope | None:
    """Leave out recipients whose accounts were deleted after the mail came in, even if the address was reused."""
    former = {to.address for to in envelope.recipients if envelope.received_at < ended.get(_owner(to), _NEVER)}
    return without(envelope, former) if former else envelope


def _of_recipients(envelope: Envelope) -> dict[str, Any]:
    """Return the fields of an entry that depend on its recipients."""
    addresses = {address.lower() for to in envelope.recipients for address in (to.address, to.original) if address}
    return {
        "envelope": envelope.model_dump_json(exclude_defaults=True),
        "domains": domains_of(envelope),
        "recipients": sorted(addresses.union(accounts_of(envelope.recipients))),
    }


def _query(wanted: QuarantineFilter) -> dict[str, Any]:
    texts = {"subject": wanted.subject, "reason": wanted.reason}
    exact = {"domains": wanted.domain.lower(), "recipients": wanted.account.lower()}
    times = {"$gte": wanted.since, "$lt": wanted.until}
    query: dict[str, Any] = {
        **{field: value for field, value in exact.items() if value},
        **{field: _contains(text) for field, text in texts.items() if text},
    }
    if wanted.sender:
        query["$or"] = [{"sender": _contains(wanted.sender)}, {"from": _contains(wanted.sender)}]
    if wanted.infected is not None:
        query["infected"] = wanted.infected
    if given := {operator: time for operator, time in times.items() if time is not None}:
        query["at"] = given
    return query


def _contains(text: str) -> dict[str, str]:
    return {"$regex": re.escape(text), "$options": "i"}


def readable_message(document: dict[str, Any]) -> QuarantinedMessage | None:
    """Read an entry for a list: an unreadable entry must not hide the others."""
    try:
        return message_of(document)
    except Exception as error:
        log.error("quarantine_entry_unreadable", id=document["_id"], exc_info=error)
        return None


def message_of(document: dict[str, Any]) -> QuarantinedMessage:
    """Read an entry from its document."""
    return QuarantinedMessage(
        id=document["_id"],
        envelope=Envelope.model_validate_json(document["envelope"]),
        body=document["body"],
        summary=Summary(
            document["subject"], document["from"], document["to"], document["message_id"], document["date"]
        ),
        at=document["at"],
        expires_at=document["expires_at"],
    )
