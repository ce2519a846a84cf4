"""The adapters of one store process, without its queue and its API: two of them on one database are two replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from libs.envelope import Mail
from libs.envelope.model import utc_now
from libs.mongo import Mongo
from services.store.mailboxes.delivery import build_delivery, recipients_by_mailbox
from services.store.mailboxes.messages import Body, DeliveryOutcome, StoredMessage
from services.store.mailboxes.missing_mailboxes import MissingMailboxes
from services.store.mailboxes.mongo_account_deletion import MongoAccountDeletion
from services.store.mailboxes.mongo_bodies import MongoBodies, MongoBodyCollector
from services.store.mailboxes.mongo_changes import MongoChanges
from services.store.mailboxes.mongo_delivery import MongoDelivery
from services.store.mailboxes.mongo_expunge import MongoExpunge
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes
from services.store.mailboxes.mongo_messages import MongoMessages
from services.store.mailboxes.mongo_transaction_steps import MongoTransactionSteps
from services.store.mailboxes.schema import Collections


class Accounts:
    """The router: when the account of an address was made, for those that have one."""

    def __init__(self) -> None:
        self.known: dict[str, datetime] = {}

    async def made_at(self, address: str) -> datetime | None:
        return self.known.get(address)


class MailboxReplica:
    """`bodies` may be given to watch or disturb what a delivery does with them."""

    def __init__(self, mongo: Mongo, *, bodies: type[MongoBodies] = MongoBodies) -> None:
        self.collections = Collections.of(mongo.database("store"))
        self.bodies = bodies(mongo, self.collections, clock=utc_now)
        self.mailboxes = MongoMailboxes(mongo, self.collections, clock=utc_now)
        self.steps = MongoTransactionSteps(self.collections, clock=utc_now, tombstone_keep=timedelta(days=1))
        self.changes = MongoChanges(mongo, self.collections, self.steps, clock=utc_now)
        self.expunge = MongoExpunge(mongo, self.collections, self.steps, self.bodies)
        self.directory = Accounts()
        self.account_deletion = MongoAccountDeletion(
            mongo, self.collections, self.expunge, self.directory, clock=utc_now
        )
        missing_mailboxes = MissingMailboxes(self.mailboxes, self.account_deletion, self.directory)
        self.deliveries = MongoDelivery(mongo, self.collections, self.bodies, missing_mailboxes, clock=utc_now)
        self.messages = MongoMessages(self.collections)
        self.collector = MongoBodyCollector(mongo, self.collections, clock=_soon, grace=timedelta(0))

    async def deliver(self, mail: Mail, *, limits: Mapping[str, int | None] | None = None) -> DeliveryOutcome:
        wanted = limits or dict.fromkeys(recipients_by_mailbox(mail.envelope))
        delivery = build_delivery(mail.envelope, Body.of(mail.raw), limits=wanted, hostname="mail.example.org")
        return await self.deliveries.deliver(delivery)

    async def all_of(self, mailbox: str) -> list[StoredMessage]:
        """Every message of the mailbox, folder by folder."""
        pages = await asyncio.gather(
            *(
                self.messages.page(mailbox, folder, after=None, limit=10_000, newest_first=False)
                for folder in await self.mailboxes.folders(mailbox)
            )
        )
        return [message for page in pages for message in page]

    async def drift(self, mailbox: str) -> dict[str, tuple[Any, Any]]:
        """Counters that differ from a recount, by folder: none, or there is a bug."""
        before = await self.mailboxes.folders(mailbox)
        usage = await self.mailboxes.usage(mailbox)
        recounted = await self.mailboxes.recount(mailbox)
        after = await self.mailboxes.folders(mailbox)
        wrong: dict[str, tuple[Any, Any]] = {id: (before[id], after[id]) for id in before if before[id] != after[id]}
        if (usage.used_bytes, usage.messages) != (recounted.used_bytes, recounted.messages):
            wrong["usage"] = (usage, recounted)
        return wrong


def _soon() -> datetime:
    """A clock for the collector by which everything is old enough."""
    return utc_now() + timedelta(seconds=1)
