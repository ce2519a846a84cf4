"""Deliveries in batches: concurrent callers share a transaction, which is retried until it applies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from libs.envelope import Temporary
from libs.mongo import Batcher, DuplicateKey, Mongo, mongo_errors
from services.store.mailboxes.delivery_plan import CopyKey, DeliveryPlan, DeliveryResult
from services.store.mailboxes.messages import DeliveryOutcome, MailboxDelivery
from services.store.mailboxes.missing_mailboxes import MissingMailboxes
from services.store.mailboxes.mongo_bodies import INLINE_BYTES, BodiesCollected, MongoBodies
from services.store.mailboxes.mongo_delivery_transaction import MailboxesNotReady, MongoDeliveryTransaction
from services.store.mailboxes.schema import Collections

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 6
MAX_COPIES = 500  # in one transaction
MAX_BYTES = 8 * 1024 * 1024  # of bodies in one transaction


class MongoDelivery:
    """Writes the deliveries of concurrent callers together."""

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
        self._messages: Any = collections.messages
        self._bodies = bodies
        self._missing_mailboxes = missing_mailboxes
        self._transaction = MongoDeliveryTransaction(collections, bodies, clock=clock)
        self._batcher: Batcher[MailboxDelivery, DeliveryOutcome] = Batcher(self._flush, max_items=100)

    async def deliver(self, delivery: MailboxDelivery) -> DeliveryOutcome:
        """Store the copies durably and once in each mailbox, however often it is called. Raises `Temporary`.

        The outcome names the mailboxes without a copy, because it would break their limit or their account is gone.
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
        """Store the group, or each delivery alone: one that cannot be written must not hold up the others."""
        try:
            return (await self._retry(group)).outcomes(group)
        except Temporary as error:
            return [error] * len(group)
        except Exception as error:
            if len(group) == 1:
                return [error]
            log.warning("delivery_batch_split", messages=len(group), error=repr(error))
            return [result for delivery in group for result in await self._store([delivery])]

    async def _retry(self, group: Sequence[MailboxDelivery]) -> DeliveryResult:
        """Run the transaction until it applies. Each failure adds to what the next plan knows."""
        plan = DeliveryPlan(group)
        for _ in range(MAX_ATTEMPTS):
            try:
                return await self._mongo.transaction(partial(self._transaction.run, plan))
            except DuplicateKey:
                plan = DeliveryPlan(group, plan.stored | await self._stored(plan), plan.unavailable)
            except MailboxesNotReady as error:
                unavailable = await self._missing_mailboxes.resolve(error.addresses, plan.copies)
                plan = DeliveryPlan(group, plan.stored, {**plan.unavailable, **unavailable})
            except BodiesCollected as error:
                await self._bodies.write_large(body for body in plan.bodies() if body.id in error.ids)
        raise Temporary("delivery: others keep changing the same mailboxes")

    async def _stored(self, plan: DeliveryPlan) -> set[CopyKey]:
        keys = [copy.key for copy in plan.copies if copy.key]
        with mongo_errors("look for duplicates"):
            found = await self._messages.find(
                {"key": {"$in": keys}, "mailbox": {"$in": plan.mailboxes}}, {"_id": 0, "key": 1, "mailbox": 1}
            ).to_list(None)
        return {(document["key"], document["mailbox"]) for document in found}


def groups(batch: Sequence[MailboxDelivery]) -> Iterable[Sequence[MailboxDelivery]]:
    """Split the batch, in order, into groups that fit one transaction."""
    group: list[MailboxDelivery] = []
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
