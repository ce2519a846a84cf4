"""Composes the mailboxes: their storage, their neighbours and their background work."""

from __future__ import annotations

from dataclasses import dataclass

from libs.http import Client
from libs.neighbours import IngressClient, QuotaClient, RouterClient
from libs.postmaster import Notifications
from libs.runtime import Periodic, Shared
from libs.telemetry import Metrics
from services.store.mailboxes.cleanup import Work, blob_expiry
from services.store.mailboxes.junk_expiry import junk_expiry
from services.store.mailboxes.missing_mailboxes import MissingMailboxes
from services.store.mailboxes.mongo_account_deletion import MongoAccountDeletion
from services.store.mailboxes.mongo_bodies import MongoBodies, MongoBodyCollector
from services.store.mailboxes.mongo_changes import MongoChanges
from services.store.mailboxes.mongo_delivery import MongoDelivery
from services.store.mailboxes.mongo_expunge import MongoExpunge, MongoJunkFolders
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes, MongoPublishedUsage
from services.store.mailboxes.mongo_messages import MongoMessages
from services.store.mailboxes.mongo_receipts import MongoReceipts
from services.store.mailboxes.mongo_transaction_steps import MongoTransactionSteps
from services.store.mailboxes.over_quota_bounce import OverQuotaBounce
from services.store.mailboxes.quota_limits import QuotaLimits
from services.store.mailboxes.receipts import DeliveryReceipts
from services.store.mailboxes.schema import Collections
from services.store.mailboxes.usage_publisher import UsagePublisher
from services.store.settings import Settings


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """The parts of the open mailboxes. `jobs` delete what has expired, by name."""

    collections: Collections
    bodies: MongoBodies
    mailboxes: MongoMailboxes
    messages: MongoMessages
    changes: MongoChanges
    expunge: MongoExpunge
    account_deletion: MongoAccountDeletion
    deliveries: MongoDelivery
    limits: QuotaLimits
    usage_publisher: UsagePublisher
    receipts: DeliveryReceipts
    bounce: OverQuotaBounce
    jobs: dict[str, Work]

    @property
    def background(self) -> tuple[Periodic, ...]:
        return (*self.usage_publisher.background, self.receipts.background)

    async def close(self) -> None:
        """Publish the last usage and stop asking for limits."""
        await self.usage_publisher.close()
        await self.limits.close()


async def open_mailboxes(
    settings: Settings, shared: Shared, metrics: Metrics, *, quota: Client, router: Client, ingress: Client
) -> Mailboxes:
    """Raises `Temporary` when MongoDB does not answer.

    With quota away the last known limit counts, or none: it never holds up mail. With router away Junk is emptied in a
    later round, and mail for the address of a former account waits until the router answers. With ingress away a bounce
    waits with its mail.
    """
    mongo, clock = shared.mongo, shared.clock
    collections = Collections.of(mongo.database("store"))
    await collections.prepare()
    bodies = MongoBodies(mongo, collections, clock=clock)
    mailboxes = MongoMailboxes(mongo, collections, clock=clock)
    steps = MongoTransactionSteps(collections, clock=clock, tombstone_keep=settings.tombstone_keep)
    expunge = MongoExpunge(mongo, collections, steps, bodies)
    directory = RouterClient(router)
    account_deletion = MongoAccountDeletion(mongo, collections, expunge, directory, clock=clock)
    missing_mailboxes = MissingMailboxes(mailboxes, account_deletion, directory)
    usage_publisher = UsagePublisher(
        shared.bus, MongoPublishedUsage(collections), window=settings.usage_window, recheck=settings.usage_recheck
    )
    notifications = Notifications(
        IngressClient(ingress), hostname=settings.hostname, author=settings.notice_author, clock=clock
    )
    junk = MongoJunkFolders(collections, expunge)
    return Mailboxes(
        collections=collections,
        bodies=bodies,
        mailboxes=mailboxes,
        messages=MongoMessages(collections),
        changes=MongoChanges(mongo, collections, steps, clock=clock),
        expunge=expunge,
        account_deletion=account_deletion,
        deliveries=MongoDelivery(mongo, collections, bodies, missing_mailboxes, clock=clock),
        limits=QuotaLimits(QuotaClient(quota), keep=settings.limit_cache),
        usage_publisher=usage_publisher,
        receipts=DeliveryReceipts(
            MongoReceipts(collections, clock=clock),
            notifications,
            clock,
            settings.notice_give_up_after,
            settings.notice_period,
            metrics.counter(
                "facteur_store_delivery_receipts", "DSNs of successful deliveries, by outcome.", ("outcome",)
            ),
        ),
        bounce=OverQuotaBounce(
            notifications,
            clock,
            settings.give_up_after,
            metrics.counter("facteur_store_bounced_recipients", "Recipients whose mail was returned to its sender."),
        ),
        jobs={
            "mailboxes": account_deletion.resume,
            "bodies": MongoBodyCollector(mongo, collections, clock=clock, grace=settings.body_grace).collect,
            "junk": junk_expiry(RouterClient(router), junk, usage_publisher, clock=clock),
            "blobs": blob_expiry(shared.blobs, clock=clock, keep=settings.blob_keep),
        },
    )
