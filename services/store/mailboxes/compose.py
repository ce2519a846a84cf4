"""Composes the mailboxes: their storage, their neighbours and their background work."""

from __future__ import annotations

from dataclasses import dataclass

from libs.http import Client
from libs.postmaster import IngressPost, Notifications
from libs.runtime import Periodic, Shared
from libs.telemetry import Metrics
from services.store.mailboxes.cleanup import Work, old_blobs
from services.store.mailboxes.junk_expiry import old_junk
from services.store.mailboxes.missing_mailboxes import Openings
from services.store.mailboxes.mongo_account_deletion import MongoDepartures
from services.store.mailboxes.mongo_bodies import MongoBodies, MongoCollector
from services.store.mailboxes.mongo_changes import MongoChanges
from services.store.mailboxes.mongo_delivery import MongoDelivery
from services.store.mailboxes.mongo_expunge import MongoExpunge, MongoJunk
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes, MongoTold
from services.store.mailboxes.mongo_messages import MongoMessages
from services.store.mailboxes.mongo_receipts import MongoReceipts
from services.store.mailboxes.mongo_transaction_steps import MongoLedger
from services.store.mailboxes.over_quota_bounce import Patience
from services.store.mailboxes.quota_limits import QuotaLimits
from services.store.mailboxes.receipts import Receipts
from services.store.mailboxes.router import RouterDirectory, RouterJunkKeeps
from services.store.mailboxes.schema import Collections
from services.store.mailboxes.usage_publisher import Announcer
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
    departures: MongoDepartures
    deliveries: MongoDelivery
    limits: QuotaLimits
    announcements: Announcer
    receipts: Receipts
    patience: Patience
    jobs: dict[str, Work]

    @property
    def background(self) -> tuple[Periodic, ...]:
        return (*self.announcements.rows, self.receipts.row)

    async def close(self) -> None:
        """Publish the last usage and stop asking for limits."""
        await self.announcements.close()
        await self.limits.close()


async def open_mailboxes(
    settings: Settings, shared: Shared, metrics: Metrics, *, quota: Client, router: Client, ingress: Client
) -> Mailboxes:
    """Raises `Temporary` when MongoDB does not answer.

    quota away: the last known limit counts, or none; mail is never held up by it. router away: Junk is emptied in a
    later round, and mail for an address that had an account before waits until it is known whether it has one now.
    ingress away: a notification waits with the mail that it is about.
    """
    mongo, clock = shared.mongo, shared.clock
    collections = Collections.of(mongo.database("store"))
    await collections.prepare()
    bodies = MongoBodies(mongo, collections, clock=clock)
    mailboxes = MongoMailboxes(mongo, collections, clock=clock)
    ledger = MongoLedger(collections, clock=clock, tombstone_keep=settings.tombstone_keep)
    expunge = MongoExpunge(mongo, collections, ledger, bodies)
    directory = RouterDirectory(router)
    departures = MongoDepartures(mongo, collections, expunge, directory, clock=clock)
    openings = Openings(mailboxes, departures, directory)
    announcer = Announcer(
        shared.bus, MongoTold(collections), window=settings.usage_window, recheck=settings.usage_recheck
    )
    notifications = Notifications(
        IngressPost(ingress), hostname=settings.hostname, author=settings.notice_author, clock=clock
    )
    junk = MongoJunk(collections, expunge)
    return Mailboxes(
        collections=collections,
        bodies=bodies,
        mailboxes=mailboxes,
        messages=MongoMessages(collections),
        changes=MongoChanges(mongo, collections, ledger, clock=clock),
        expunge=expunge,
        departures=departures,
        deliveries=MongoDelivery(mongo, collections, bodies, openings, clock=clock),
        limits=QuotaLimits(quota, keep=settings.limit_cache),
        announcements=announcer,
        receipts=Receipts(
            MongoReceipts(collections, clock=clock),
            notifications,
            clock,
            settings.notice_patience,
            settings.notice_period,
            metrics.counter("facteur_store_receipts", "Reports of deliveries that senders asked for.", ("outcome",)),
        ),
        patience=Patience(
            notifications,
            clock,
            settings.give_up_after,
            metrics.counter("facteur_store_returned", "Copies that were given up, and whose sender was told."),
        ),
        jobs={
            "mailboxes": departures.unfinished,
            "bodies": MongoCollector(mongo, collections, clock=clock, grace=settings.body_grace).collect,
            "junk": old_junk(RouterJunkKeeps(router), junk, announcer, clock=clock),
            "blobs": old_blobs(shared.blobs, clock=clock, keep=settings.blob_keep),
        },
    )
