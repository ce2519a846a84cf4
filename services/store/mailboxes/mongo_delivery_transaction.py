"""One transaction of deliveries: UIDs, counters, bodies and messages become visible together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from libs.mongo import ReturnDocument, UpdateOne
from services.store.mailboxes.delivery_plan import (
    CopiesByMailbox,
    CopyKey,
    DeliveryPlan,
    DeliveryResult,
    counter_update,
    may_be_expunged,
)
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.schema import Collections

# Up to so many mailboxes are updated and read one by one: fewer round trips than one bulk update and one query.
FEW_MAILBOXES = 2


class MailboxesNotReady(Exception):
    """Mailboxes that do not exist, or whose account was deleted."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(f"{len(addresses)} mailboxes are not ready")
        self.addresses = addresses


class MongoDeliveryTransaction:
    """Raises the driver's errors, for the transaction around it."""

    def __init__(self, collections: Collections, bodies: MongoBodies, *, clock: Callable[[], datetime]) -> None:
        self._mailboxes: Any = collections.mailboxes
        self._messages: Any = collections.messages
        self._tombstones: Any = collections.tombstones
        self._bodies = bodies
        self._clock = clock

    async def run(self, plan: DeliveryPlan, session: Any) -> DeliveryResult:
        """Write the plan. It may run several times: a write conflict aborts the transaction and restarts it.

        Raises `MailboxesNotReady`, `BodiesCollected`.
        """
        now = self._clock()
        # The mailboxes first: from here on no other transaction assigns UIDs in them or changes their counters.
        documents = await self._count_in(session, plan, now)
        result = DeliveryResult(documents, await self._expunged(session, plan, documents), plan.unavailable)
        rows = [row for mailbox, copies in plan.by_mailbox.items() for row in result.place(mailbox, copies, now)]
        if result.dropped:
            await self._update_counters(session, result.dropped, now, sign=-1)
        if rows:
            wanted = {row["body"] for row in rows}
            await self._bodies.ref(session, (body for body in plan.bodies() if body.id in wanted))
            await self._messages.insert_many(rows, ordered=False, session=session)
        return result

    async def _count_in(self, session: Any, plan: DeliveryPlan, now: datetime) -> dict[str, dict[str, Any]]:
        """Count the copies of `plan` into their mailboxes and return the mailboxes after that."""
        if len(plan.mailboxes) <= FEW_MAILBOXES and len(plan.by_mailbox) == len(plan.mailboxes):
            found = [
                await self._mailboxes.find_one_and_update(
                    {"_id": mailbox},
                    counter_update(copies, now),
                    plan.projection,
                    return_document=ReturnDocument.AFTER,
                    session=session,
                )
                for mailbox, copies in plan.by_mailbox.items()
            ]
        else:
            await self._update_counters(session, plan.by_mailbox, now)
            wanted = {"_id": {"$in": plan.mailboxes}}
            found = await self._mailboxes.find(wanted, plan.projection, session=session).to_list(None)
        documents = {document["_id"]: document for document in found if document}
        missing = [mailbox for mailbox in plan.mailboxes if "leaving" in documents.get(mailbox, {"leaving": None})]
        if missing:
            raise MailboxesNotReady(missing)
        return documents

    async def _update_counters(self, session: Any, copies: CopiesByMailbox, now: datetime, *, sign: int = 1) -> None:
        if copies:
            changes = [
                UpdateOne({"_id": mailbox}, counter_update(placed, now, sign=sign))
                for mailbox, placed in copies.items()
            ]
            await self._mailboxes.bulk_write(changes, ordered=False, session=session)

    async def _expunged(self, session: Any, plan: DeliveryPlan, documents: Mapping[str, Any]) -> set[CopyKey]:
        """Find messages that were delivered before and have been expunged since: they must not come back."""
        keys = [copy.key for copy in plan.copies if copy.key and may_be_expunged(copy, documents[copy.mailbox])]
        if not keys:
            return set()
        found = await self._tombstones.find(
            {"keys": {"$in": keys}}, {"mailbox": 1, "keys": 1}, session=session
        ).to_list(None)
        return {(key, document["mailbox"]) for document in found for key in document["keys"]}
