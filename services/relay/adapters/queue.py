"""The outbound queue in MongoDB: adds, claims and settles entries. `documents` and `bodies` describe its documents.

Several replicas may share it. An entry is claimed under a fence of its own, and an outcome is written only under the
fence of its claim, so that a late holder cannot change an entry that another one has claimed. Only the acceptance by a
server counts from any holder: it is stored in `taken`, and the present holder then finds the entry finished.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from libs.envelope import Mail
from libs.mongo import Batcher, IndexModel, UpdateOne, mongo_errors
from services.relay.adapters.bodies import Bodies
from services.relay.adapters.documents import BULK, Document, destinations_of, entry_of, ids, new_entries, report_fields
from services.relay.domain.entries import DONE, Entry, State, Transition
from services.relay.domain.reporting import DeliveryReport

MOST_ENTRIES = 100  # in a claim
_CHUNK = 500  # entries in a write
_INDEXES = (
    IndexModel([("state", 1), ("bulk", 1), ("destination", 1), ("next_at", 1)]),
    IndexModel([("report.due_at", 1)], sparse=True),
    IndexModel([("expires_at", 1)], expireAfterSeconds=0, sparse=True),
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The transition of a claimed entry, and the report that it causes."""

    entry: Entry
    transition: Transition
    report: DeliveryReport | None = None


class MongoQueue:
    """`holder` is this process; it may claim entries while its lease is valid (`leases`)."""

    def __init__(self, database: Any, *, holder: str, done_retention: timedelta) -> None:
        self.bodies = Bodies(database)
        self._entries = database["deliveries"]
        self._destinations = database["destinations"]
        self._holder = holder
        self._done_retention = done_retention
        self._additions: Batcher[tuple[Mail, datetime], None] = Batcher(self._add)

    async def prepare(self) -> None:
        """Create the indexes."""
        with mongo_errors("outbound queue"):
            await self._entries.create_indexes(list(_INDEXES))
        await self.bodies.prepare()

    async def add(self, mail: Mail, *, now: datetime) -> set[str]:
        """Store `mail` durably, and return its destinations. A duplicate is queued once for each recipient."""
        if len(mail.envelope.recipients) > BULK:
            await self._add([(mail, now)])  # by itself, so that other mail need not wait until it is written
        else:
            await self._additions.add((mail, now))
        return destinations_of(mail.envelope)

    async def _add(self, batch: Sequence[tuple[Mail, datetime]]) -> Sequence[None]:
        await self.bodies.add([mail for mail, _ in batch])
        entries = (entry for mail, now in batch for entry in new_entries(mail.envelope, now))
        for chunk in _chunks(entries):
            writes = [UpdateOne({"_id": id}, {"$setOnInsert": fields}, upsert=True) for id, fields in chunk]
            with mongo_errors("outbound queue"):
                await self._entries.bulk_write(writes, ordered=False)
            await asyncio.sleep(0)
        await self._replay(batch)
        return [None] * len(batch)

    async def _replay(self, batch: Sequence[tuple[Mail, datetime]]) -> None:
        """Queue a replayed dead letter anew; its mark is valid once."""
        for mail, now in batch:
            if mark := (mail.envelope.model_extra or {}).get("parked"):
                anew = {"state": State.QUEUED, "attempts": 0, "created_at": now, "next_at": now}
                marked = {"_id": {"$in": [id for id, _ in new_entries(mail.envelope, now)]}, "parked": mark}
                gone = dict.fromkeys(("parked", "expires_at", "notified_delay"), "")
                with mongo_errors("outbound queue"):
                    await self._entries.update_many(marked, {"$set": anew, "$unset": gone})

    async def ready(self, *, now: datetime) -> set[str]:
        """The destinations with due entries, without suspended ones, at the cost of one step for each destination."""
        with mongo_errors("outbound queue"):
            suspended = await self.suspended()
            due: set[str] = set()
            for bulk in (0, 1):
                pipeline = [*_first_due(bulk), {"$match": {"next_at": {"$lte": now}}}]
                due |= {document["_id"] async for document in await self._entries.aggregate(pipeline)}
        return due - suspended

    async def explain_ready(self) -> Document:
        """The plan of the query in `ready`."""
        command = {"aggregate": self._entries.name, "pipeline": _first_due(0), "cursor": {}}
        return dict(await self._entries.database.command("explain", command))

    async def suspended(self) -> set[str]:
        """The destinations that an operator has suspended."""
        with mongo_errors("outbound queue"):
            return {document["_id"] async for document in self._destinations.find({"suspended": True})}

    async def claim(self, destination: str, *, now: datetime, messages: int, bulk_first: bool = False) -> list[Entry]:
        """Claim due entries of so many messages, until they are settled or released, or the lease expires."""
        fence = uuid.uuid4().hex
        due = {"state": State.QUEUED, "destination": destination, "next_at": {"$lte": now}}
        with mongo_errors("outbound queue"):
            found: list[Document] = []
            for bulk in (1, 0) if bulk_first else (0, 1):
                if (left := MOST_ENTRIES - len(found)) > 0:
                    query = self._entries.find({**due, "bulk": bulk}).sort("next_at", 1).limit(left)
                    found += [document async for document in query]
            if not (found := _of_first(found, messages)):
                return []
            change = {"state": State.SENDING, "lease": {"holder": self._holder, "fence": fence}}
            chosen = {"_id": {"$in": [document["_id"] for document in found]}, **due}
            result = await self._entries.update_many(chosen, {"$set": change, "$inc": {"attempts": 1}})
            if result.modified_count < len(found):
                found = [document async for document in self._entries.find({"lease.fence": fence, **_among(found)})]
                return [entry_of(document) for document in found]
        return [entry_of(document | change | {"attempts": document["attempts"] + 1}) for document in found]

    async def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> None:
        """Write the outcomes of entries. Idempotent; a late outcome does not change an entry of another holder."""
        if not settlements:
            return
        writes = [
            UpdateOne(
                _held(settlement.entry, taken=settlement.transition.state is State.SENT), self._change(settlement, now)
            )
            for settlement in settlements
        ]
        with mongo_errors("outbound queue"):
            result = await self._entries.bulk_write(writes, ordered=False)
            if result.matched_count < len(writes):
                late = [write for settlement in settlements for write in self._late(settlement, now)]
                await self._entries.bulk_write(late, ordered=True)
        self.bodies.done(
            {settlement.entry.message for settlement in settlements if settlement.transition.state in DONE}
        )

    async def release(self, entries: Sequence[Entry], *, now: datetime) -> None:
        """Requeue claimed entries that were not attempted; the attempt does not count."""
        await self._requeue({"_id": {"$in": ids(entries)}, "lease.fence": {"$in": [e.fence for e in entries]}}, now)

    async def fences(self) -> set[str]:
        """The fences under which this process has claimed entries, according to the database."""
        with mongo_errors("outbound queue"):
            mine = {"state": State.SENDING, "lease.holder": self._holder}
            return set(await self._entries.distinct("lease.fence", mine))

    async def release_fences(self, fences: Collection[str], *, now: datetime) -> None:
        """Release entries, of which only the fences are known."""
        await self._requeue({"lease.fence": {"$in": list(fences)}}, now)

    async def release_all(self, holders: Sequence[str], *, now: datetime) -> int:
        """Release the entries of `holders`: of this process when it ends, or of dead ones."""
        return await self._requeue({"lease.holder": {"$in": list(holders)}}, now)

    async def _requeue(self, which: Document, now: datetime) -> int:
        which = {"state": State.SENDING, **which}
        taken = {"state": State.SENT, "expires_at": now + self._done_retention}
        with mongo_errors("outbound queue"):
            # An entry that a server accepted, as a late holder reported, is finished and not sent again.
            await self._entries.update_many({**which, "taken": {"$exists": True}}, {"$set": taken, "$unset": _UNLEASED})
            change = {"$set": {"state": State.QUEUED, "next_at": now}, "$inc": {"attempts": -1}, "$unset": _UNLEASED}
            return int((await self._entries.update_many(which, change)).modified_count)

    def _change(self, settlement: Settlement, now: datetime) -> Document:
        transition = settlement.transition
        fields: Document = {"state": transition.state, "next_at": transition.next_at, "last_reply": transition.reply}
        if settlement.report is not None:
            fields["report"] = report_fields(settlement.report, now)
            if transition.state not in DONE:
                fields["notified_delay"] = True
        elif transition.state in DONE:
            fields["expires_at"] = now + self._done_retention
        return {"$set": fields, "$unset": _UNLEASED}

    def _late(self, settlement: Settlement, now: datetime) -> Iterator[UpdateOne]:
        """The updates for entries whose lease was lost, in order: each applies only where the one before did not."""
        id, fence = settlement.entry.id, settlement.entry.fence
        sent = {"state": State.SENT, "expires_at": now + self._done_retention}
        if settlement.transition.state is State.SENT:
            yield UpdateOne({"_id": id, "state": State.QUEUED}, self._change(settlement, now))
            other = {"_id": id, "state": State.SENDING, "lease.fence": {"$ne": fence}}
            yield UpdateOne(
                other, {"$set": {"taken": settlement.transition.reply, "last_reply": settlement.transition.reply}}
            )
        else:
            yield UpdateOne(
                {"_id": id, "lease.fence": fence, "taken": {"$exists": True}}, {"$set": sent, "$unset": _UNLEASED}
            )


def _first_due(bulk: int) -> list[Document]:
    """Select the first entry of each destination; this order lets the server skip the others (DISTINCT_SCAN)."""
    return [
        {"$match": {"state": State.QUEUED, "bulk": bulk}},
        {"$sort": {"state": 1, "bulk": 1, "destination": 1, "next_at": 1}},
        {"$group": {"_id": "$destination", "next_at": {"$first": "$next_at"}}},
    ]


_UNLEASED = {"lease": "", "taken": ""}


def _held(entry: Entry, *, taken: bool) -> Document:
    """Select the entry under its own fence. An acceptance is written always, another outcome only without one."""
    held = {"_id": entry.id, "state": State.SENDING, "lease.fence": entry.fence}
    return held if taken else {**held, "taken": {"$exists": False}}


def _of_first(documents: Sequence[Document], messages: int) -> list[Document]:
    """The entries of the first `messages` messages."""
    chosen = set(islice(dict.fromkeys(document["message"] for document in documents), messages))
    return [document for document in documents if document["message"] in chosen]


def _among(documents: Sequence[Document]) -> Document:
    return {"_id": {"$in": [document["_id"] for document in documents]}}


def _chunks(entries: Iterable[tuple[str, Document]]) -> Iterator[list[tuple[str, Document]]]:
    iterator = iter(entries)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
