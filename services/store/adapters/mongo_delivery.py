"""Deliveries, many in one transaction: UIDs, counters, bodies and messages become visible together or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from pymongo import UpdateOne

from libs.envelope import Temporary
from libs.mongo import Batcher, DuplicateKey, Mongo, mongo_errors
from services.store.adapters.mongo_bodies import INLINE_BYTES, BodiesGone, MongoBodies
from services.store.adapters.mongo_collections import Collections
from services.store.adapters.mongo_documents import message_document, usage_of
from services.store.adapters.mongo_mailboxes import MongoMailboxes
from services.store.domain.flags import SEEN
from services.store.domain.messages import Body, Copy, Delivery, Outcome
from services.store.domain.refusals import NotThere

log = structlog.get_logger(__name__)

MAX_COPIES = 500  # in one transaction
MAX_BYTES = 8 * 1024 * 1024  # of bodies in one transaction
ROUNDS = 6

Key = tuple[str, str]  # (key of the message, mailbox)


class MongoDelivery:
    """Writes deliveries of concurrent callers together."""

    def __init__(
        self,
        mongo: Mongo,
        collections: Collections,
        bodies: MongoBodies,
        mailboxes: MongoMailboxes,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._mongo = mongo
        self._collections = collections
        self._bodies = bodies
        self._mailboxes = mailboxes
        self._clock = clock
        self._batcher: Batcher[Delivery, Outcome] = Batcher(self._flush, max_items=100)

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Durable on return, once in each mailbox however often it is called. Raises `Temporary`.

        A mailbox whose limit the message would break is named in the outcome and has not got it.
        """
        if len(delivery.body.raw) > INLINE_BYTES:
            await self._bodies.write_large([delivery.body])
        steps = [
            Delivery(delivery.body, delivery.copies[at : at + MAX_COPIES])
            for at in range(0, len(delivery.copies), MAX_COPIES)
        ]
        return Outcome.joined([await self._batcher.add(step) for step in steps])

    async def _flush(self, batch: Sequence[Delivery]) -> list[Outcome | BaseException]:
        results: list[Outcome | BaseException] = []
        for group in _groups(batch):
            results += await self._store(group)
        return results

    async def _store(self, group: Sequence[Delivery]) -> Sequence[Outcome | BaseException]:
        """One message that cannot be written, whatever is odd about it, must not hold up the others."""
        try:
            return await self._attempt(group)
        except Temporary as error:
            return [error] * len(group)
        except Exception as error:
            if len(group) == 1:
                return [error]
            log.warning("batch_split", messages=len(group), error=repr(error))
            return [result for delivery in group for result in await self._store([delivery])]

    async def _attempt(self, group: Sequence[Delivery]) -> list[Outcome]:
        plan = _Plan(group)
        for _ in range(ROUNDS):
            try:
                written = await self._mongo.transaction(partial(self._write, plan))
            except DuplicateKey:
                plan = _Plan(group, plan.known | await self._stored(plan))
            except _NoMailbox as missing:
                await self._mailboxes.ensure(missing.addresses)
            except BodiesGone as gone:
                await self._bodies.write_large(body for body in plan.bodies() if body.id in gone.ids)
            else:
                return written.outcomes(group)
        raise Temporary("delivery: others keep changing the same mailboxes")

    async def _write(self, plan: _Plan, session: Any) -> _Written:
        """May run several times: a write conflict aborts the transaction and starts it anew."""
        there = self._collections
        now = self._clock()
        # The mailboxes first: from here on no other transaction hands out UIDs in them or changes their counters.
        if plan.copies:
            await there.mailboxes.bulk_write(
                [_added(mailbox, copies, now) for mailbox, copies in plan.by_mailbox.items()],
                ordered=False,
                session=session,
            )
        documents = await self._locked(session, plan)
        written = _Written(documents, await self._expunged(session, plan))
        rows = [row for mailbox, copies in plan.by_mailbox.items() for row in written.place(mailbox, copies, now)]
        if written.dropped:
            await there.mailboxes.bulk_write(
                [_added(mailbox, copies, now, sign=-1) for mailbox, copies in written.dropped.items()],
                ordered=False,
                session=session,
            )
        if rows:
            wanted = {row["body"] for row in rows}
            await self._bodies.refer(session, (body for body in plan.bodies() if body.id in wanted))
            await there.messages.insert_many(rows, ordered=False, session=session)
        return written

    async def _locked(self, session: Any, plan: _Plan) -> dict[str, dict[str, Any]]:
        found = await self._collections.mailboxes.find(
            {"_id": {"$in": plan.mailboxes}}, plan.projection, session=session
        ).to_list(None)
        documents = {document["_id"]: document for document in found}
        missing = [mailbox for mailbox in plan.mailboxes if mailbox not in documents]
        if missing:
            raise _NoMailbox(missing)
        return documents

    async def _expunged(self, session: Any, plan: _Plan) -> set[Key]:
        """Messages that came before and that their owner has deleted since: they must not come back."""
        keys = [copy.key for copy in plan.copies if copy.key]
        found = await self._collections.tombstones.find(
            {"keys": {"$in": keys}}, {"mailbox": 1, "keys": 1}, session=session
        ).to_list(None)
        return {(key, document["mailbox"]) for document in found for key in document["keys"]}

    async def _stored(self, plan: _Plan) -> set[Key]:
        keys = [copy.key for copy in plan.copies if copy.key]
        with mongo_errors("look for duplicates"):
            found = await self._collections.messages.find(
                {"key": {"$in": keys}, "mailbox": {"$in": plan.mailboxes}}, {"_id": 0, "key": 1, "mailbox": 1}
            ).to_list(None)
        return {(document["key"], document["mailbox"]) for document in found}


class _NoMailbox(Exception):
    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(f"{len(addresses)} mailboxes are not there yet")
        self.addresses = addresses


class _Plan:
    """What one transaction writes: the copies that are not `known` to be there, each key once in a mailbox."""

    def __init__(self, group: Sequence[Delivery], known: frozenset[Key] | set[Key] = frozenset()) -> None:
        self.known = known
        self.copies: list[Copy] = []
        self.by_mailbox: dict[str, list[tuple[Copy, Body]]] = {}
        self._group = group
        seen = set(known)
        for delivery in group:
            for copy in delivery.copies:
                if copy.key is not None:
                    if (copy.key, copy.mailbox) in seen:
                        continue
                    seen.add((copy.key, copy.mailbox))
                self.copies.append(copy)
                self.by_mailbox.setdefault(copy.mailbox, []).append((copy, delivery.body))
        self.mailboxes = sorted({copy.mailbox for delivery in group for copy in delivery.copies})
        folders = {copy.folder for copy in self.copies}
        numbers = {f"folders.{id}.{name}": 1 for id in folders for name in ("last_uid", "modseq", "uidvalidity")}
        self.projection = {"used_bytes": 1, "messages": 1, "version": 1, **numbers}

    def bodies(self) -> Iterable[Body]:
        return (delivery.body for delivery in self._group)


@dataclass(slots=True)
class _Written:
    """The state of the mailboxes inside the transaction, and what becomes of each copy."""

    documents: dict[str, dict[str, Any]]
    expunged: set[Key]
    dropped: dict[str, list[tuple[Copy, Body]]] = field(default_factory=dict)
    over_quota: set[int] = field(default_factory=set)  # identities of copies

    def place(self, mailbox: str, copies: Sequence[tuple[Copy, Body]], now: datetime) -> list[dict[str, Any]]:
        """Message documents with their numbers. The counters of `documents` hold all copies; dropped ones go off."""
        document = self.documents[mailbox]
        per_folder = Counter(copy.folder for copy, _ in copies)
        last = {id: document["folders"][id] for id in per_folder}
        if not all("uidvalidity" in folder for folder in last.values()):
            raise NotThere("the folder was deleted")  # an increment made a shell of it, which the abort takes back
        uid = {id: last[id]["last_uid"] - count for id, count in per_folder.items()}
        modseq = {id: last[id]["modseq"] - count for id, count in per_folder.items()}
        used = document["used_bytes"] - sum(copy.size for copy, _ in copies)
        rows = []
        for copy, body in copies:
            expunged = copy.key is not None and (copy.key, mailbox) in self.expunged
            full = copy.limit is not None and used + copy.size > copy.limit
            if expunged or full:
                self._drop(copy, body, full=full and not expunged)
                continue
            used += copy.size
            uid[copy.folder] += 1
            modseq[copy.folder] += 1
            rows.append(message_document(copy, body.id, uid=uid[copy.folder], modseq=modseq[copy.folder], now=now))
        return rows

    def _drop(self, copy: Copy, body: Body, *, full: bool) -> None:
        self.dropped.setdefault(copy.mailbox, []).append((copy, body))
        document = self.documents[copy.mailbox]
        document["used_bytes"] -= copy.size
        document["messages"] -= 1
        if full:
            self.over_quota.add(id(copy))

    def outcomes(self, group: Sequence[Delivery]) -> list[Outcome]:
        return [self._outcome(delivery) for delivery in group]

    def _outcome(self, delivery: Delivery) -> Outcome:
        full = frozenset(copy.mailbox for copy in delivery.copies if id(copy) in self.over_quota)
        usages = tuple(usage_of(self.documents[copy.mailbox]) for copy in delivery.copies)
        return Outcome(usages, full, len(delivery.copies) - len(full))


def _added(mailbox: str, copies: Sequence[tuple[Copy, Body]], now: datetime, *, sign: int = 1) -> UpdateOne:
    """The counters of `mailbox` with (or again without) `copies`."""
    change: Counter[str] = Counter()
    for copy, _ in copies:
        folder = f"folders.{copy.folder}"
        change["used_bytes"] += copy.size * sign
        change["messages"] += sign
        change[f"{folder}.bytes"] += copy.size * sign
        change[f"{folder}.messages"] += sign
        change[f"{folder}.unseen"] += sign * (SEEN not in copy.flags)
        change[f"{folder}.last_uid"] += sign
        change[f"{folder}.modseq"] += sign
    change["version"] += sign == 1
    return UpdateOne({"_id": mailbox}, {"$inc": dict(change), "$set": {"changed_at": now}})


def _groups(batch: Sequence[Delivery]) -> Iterable[Sequence[Delivery]]:
    """The batch in order, in pieces that a transaction can hold."""
    group: list[Delivery] = []
    copies = size = 0
    for delivery in batch:
        if group and (copies + len(delivery.copies) > MAX_COPIES or size + len(delivery.body.raw) > MAX_BYTES):
            yield group
            group, copies, size = [], 0, 0
        group.append(delivery)
        copies += len(delivery.copies)
        size += len(delivery.body.raw)
    if group:
        yield group
