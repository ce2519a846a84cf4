"""Deliveries, many in one transaction: UIDs, counters, bodies and messages become visible together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from libs.envelope import Temporary
from libs.mongo import Batcher, DuplicateKey, Mongo, ReturnDocument, UpdateOne, mongo_errors
from services.store.mailboxes.messages import DeliveryOutcome, MailboxDelivery
from services.store.mailboxes.missing_mailboxes import MissingMailboxes
from services.store.mailboxes.mongo_bodies import INLINE_BYTES, BodiesCollected, MongoBodies
from services.store.mailboxes.mongo_delivery_transaction import (
    MAX_COPIES,
    CopiesByMailbox,
    CopyKey,
    DeliveryPlan,
    TransactionState,
    added,
    groups,
    may_be_expunged,
)
from services.store.mailboxes.schema import Collections

log = structlog.get_logger(__name__)

ROUNDS = 6
FEW = 2  # mailboxes that are changed and read one by one: fewer round trips than one change of all and one read


class MongoDelivery:
    """Writes deliveries of concurrent callers together."""

    def __init__(
        self,
        mongo: Mongo,
        collections: Collections,
        bodies: MongoBodies,
        missing_mailboxes: MissingMailboxes,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._mongo = mongo
        self._collections = collections
        self._bodies = bodies
        self._missing_mailboxes = missing_mailboxes
        self._clock = clock
        self._batcher: Batcher[MailboxDelivery, DeliveryOutcome] = Batcher(self._flush, max_items=100)

    async def deliver(self, delivery: MailboxDelivery) -> DeliveryOutcome:
        """Durable on return, once in each mailbox however often it is called. Raises `Temporary`.

        A mailbox whose limit the message would break is named in the outcome and has not got it.
        """
        if len(delivery.body.raw) > INLINE_BYTES:
            await self._bodies.write_large([delivery.body])
        steps = [
            MailboxDelivery(delivery.body, delivery.copies[at : at + MAX_COPIES])
            for at in range(0, len(delivery.copies), MAX_COPIES)
        ]
        return DeliveryOutcome.joined([await self._batcher.add(step) for step in steps])

    async def _flush(self, batch: Sequence[MailboxDelivery]) -> list[DeliveryOutcome | BaseException]:
        results: list[DeliveryOutcome | BaseException] = []
        for group in groups(batch):
            results += await self._store(group)
        return results

    async def _store(self, group: Sequence[MailboxDelivery]) -> Sequence[DeliveryOutcome | BaseException]:
        """One message that cannot be written, whatever is odd about it, must not hold up the others."""
        try:
            return await self._attempt(group)
        except Temporary as error:
            return [error] * len(group)
        except Exception as error:
            if len(group) == 1:
                return [error]
            log.warning("delivery_batch_split", messages=len(group), error=repr(error))
            return [result for delivery in group for result in await self._store([delivery])]

    async def _attempt(self, group: Sequence[MailboxDelivery]) -> list[DeliveryOutcome]:
        plan = DeliveryPlan(group)
        for _ in range(ROUNDS):
            try:
                written = await self._mongo.transaction(partial(self._write, plan))
            except DuplicateKey:
                plan = DeliveryPlan(group, plan.known | await self._stored(plan), plan.closed)
            except _MailboxMissing as missing:
                closed = await self._missing_mailboxes.resolve(missing.addresses, plan.copies)
                plan = DeliveryPlan(group, plan.known, {**plan.closed, **closed})
            except BodiesCollected as gone:
                await self._bodies.write_large(body for body in plan.bodies() if body.id in gone.ids)
            else:
                return written.outcomes(group)
        raise Temporary("delivery: others keep changing the same mailboxes")

    async def _write(self, plan: DeliveryPlan, session: Any) -> TransactionState:
        """May run several times: a write conflict aborts the transaction and starts it anew."""
        now = self._clock()
        # The mailboxes first: from here on no other transaction hands out UIDs in them or changes their counters.
        documents = await self._counted(session, plan, now)
        written = TransactionState(documents, await self._expunged(session, plan, documents), plan.closed)
        rows = [row for mailbox, copies in plan.by_mailbox.items() for row in written.place(mailbox, copies, now)]
        if written.dropped:
            await self._count(session, written.dropped, now, sign=-1)
        if rows:
            wanted = {row["body"] for row in rows}
            await self._bodies.ref(session, (body for body in plan.bodies() if body.id in wanted))
            await self._collections.messages.insert_many(rows, ordered=False, session=session)
        return written

    async def _counted(self, session: Any, plan: DeliveryPlan, now: datetime) -> dict[str, dict[str, Any]]:
        """The mailboxes as they are with the copies of `plan` counted in."""
        mailboxes = self._collections.mailboxes
        if len(plan.mailboxes) <= FEW and len(plan.by_mailbox) == len(plan.mailboxes):
            found = [
                await mailboxes.find_one_and_update(
                    {"_id": mailbox},
                    added(copies, now),
                    plan.projection,
                    return_document=ReturnDocument.AFTER,
                    session=session,
                )
                for mailbox, copies in plan.by_mailbox.items()
            ]
        else:
            await self._count(session, plan.by_mailbox, now)
            found = await mailboxes.find(
                {"_id": {"$in": plan.mailboxes}}, plan.projection, session=session
            ).to_list(None)  # fmt: skip
        documents = {document["_id"]: document for document in found if document}
        missing = [mailbox for mailbox in plan.mailboxes if "leaving" in documents.get(mailbox, {"leaving": None})]
        if missing:
            raise _MailboxMissing(missing)
        return documents

    async def _count(self, session: Any, copies: CopiesByMailbox, now: datetime, *, sign: int = 1) -> None:
        if copies:
            changes = [UpdateOne({"_id": mailbox}, added(placed, now, sign=sign)) for mailbox, placed in copies.items()]
            await self._collections.mailboxes.bulk_write(changes, ordered=False, session=session)

    async def _expunged(self, session: Any, plan: DeliveryPlan, documents: Mapping[str, Any]) -> set[CopyKey]:
        """Messages that came before and that their owner has deleted since: they must not come back."""
        keys = [copy.key for copy in plan.copies if copy.key and may_be_expunged(copy, documents[copy.mailbox])]
        if not keys:
            return set()
        found = await self._collections.tombstones.find(
            {"keys": {"$in": keys}}, {"mailbox": 1, "keys": 1}, session=session
        ).to_list(None)
        return {(key, document["mailbox"]) for document in found for key in document["keys"]}

    async def _stored(self, plan: DeliveryPlan) -> set[CopyKey]:
        keys = [copy.key for copy in plan.copies if copy.key]
        with mongo_errors("look for duplicates"):
            found = await self._collections.messages.find(
                {"key": {"$in": keys}, "mailbox": {"$in": plan.mailboxes}}, {"_id": 0, "key": 1, "mailbox": 1}
            ).to_list(None)
        return {(document["key"], document["mailbox"]) for document in found}


class _MailboxMissing(Exception):
    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(f"{len(addresses)} mailboxes are not there yet")
        self.addresses = addresses
