"""Composition root of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.envelope.queues import QUARANTINE, STORE
from libs.http import MongoKeys
from libs.letters import IngressPost, Notifications
from libs.runtime import QueueHandler, Service, Shared
from libs.telemetry import Metrics
from services.store.accounts import Accounts
from services.store.api import Context, routes
from services.store.handlers import Keeper
from services.store.mailboxes.announcer import Announcer
from services.store.mailboxes.cleaning import cleaning, old_blobs
from services.store.mailboxes.lessons import Lessons
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.mongo_changes import MongoChanges
from services.store.mailboxes.mongo_collections import Collections
from services.store.mailboxes.mongo_collector import MongoCollector
from services.store.mailboxes.mongo_delivery import MongoDelivery
from services.store.mailboxes.mongo_departures import MongoDepartures
from services.store.mailboxes.mongo_expunge import MongoExpunge
from services.store.mailboxes.mongo_junk import MongoJunk
from services.store.mailboxes.mongo_ledger import MongoLedger
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes
from services.store.mailboxes.mongo_messages import MongoMessages
from services.store.mailboxes.mongo_receipts import MongoReceipts
from services.store.mailboxes.mongo_told import MongoTold
from services.store.mailboxes.old_junk import old_junk
from services.store.mailboxes.openings import Openings
from services.store.mailboxes.patience import Patience
from services.store.mailboxes.quota_limits import QuotaLimits
from services.store.mailboxes.receipt_reports import Receipts
from services.store.mailboxes.router import RouterDirectory, RouterJunkKeeps
from services.store.quarantine.mongo_quarantine import MongoQuarantine
from services.store.quarantine_service import PUBLIC, open_for_people
from services.store.settings import Settings

NAME = "store"

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `Temporary` when MongoDB does not answer."""
    mongo, clock, metrics = shared.mongo, shared.clock, Metrics()
    collections = Collections.of(mongo.database(NAME))
    await collections.prepare()
    bodies = MongoBodies(mongo, collections, clock=clock)
    mailboxes = MongoMailboxes(mongo, collections, clock=clock)
    ledger = MongoLedger(collections, clock=clock, tombstone_keep=settings.tombstone_keep)
    expunge = MongoExpunge(mongo, collections, ledger, bodies)
    quarantine = MongoQuarantine(mongo, collections, bodies, clock=clock, keep=settings.quarantine_keep)
    collector = MongoCollector(mongo, collections, clock=clock, grace=settings.body_grace)
    announcer = Announcer(
        shared.bus, MongoTold(collections), window=settings.usage_window, recheck=settings.usage_recheck
    )
    # Quota away: the last known limit counts, or none; mail is never held up by it.
    quota = shared.client(settings, "quota")
    limits = QuotaLimits(quota, keep=settings.limit_cache)
    # Router away: Junk is emptied in a later round.
    router = shared.client(settings, "router")
    # And mail for an address that had an account before waits until it is known whether it has one now.
    directory = RouterDirectory(router)
    departures = MongoDepartures(mongo, collections, expunge, directory, clock=clock)
    openings = Openings(mailboxes, departures, directory)
    deliveries = MongoDelivery(mongo, collections, bodies, openings, clock=clock)
    # Ingress away: a notification waits with the mail that it is about.
    ingress = shared.client(settings, "ingress")
    antispam = shared.client(settings, "antispam")
    people = open_for_people(
        settings,
        shared,
        metrics,
        collections=collections,
        bodies=bodies,
        held=quarantine,
        antispam=antispam,
        ingress=ingress,
    )
    notifications = Notifications(
        IngressPost(ingress), hostname=settings.hostname, author=settings.notice_author, clock=clock
    )
    receipts = Receipts(
        MongoReceipts(collections, clock=clock),
        notifications,
        clock,
        settings.notice_patience,
        settings.notice_period,
        metrics.counter("facteur_store_receipts", "Reports of deliveries that senders asked for.", ("outcome",)),
    )
    keeper = Keeper(
        deliveries=deliveries,
        quarantine=quarantine,
        limits=limits,
        announcements=announcer,
        patience=Patience(
            notifications,
            clock,
            settings.give_up_after,
            metrics.counter("facteur_store_returned", "Copies that were given up, and whose sender was told."),
        ),
        receipts=receipts,
        blobs=shared.blobs,
        bus=shared.bus,
        large=asyncio.Semaphore(settings.large_in_hand),
        hostname=settings.hostname,
        copies=metrics.counter("facteur_store_copies", "Copies for mailboxes, by what became of them.", ("outcome",)),
        on_held=people.wake.set,
    )
    keys = MongoKeys(mongo.database(NAME), remember=settings.idempotency_window, clock=clock)
    await keys.prepare()
    context = Context(
        mailboxes=mailboxes,
        messages=MongoMessages(collections),
        changes=MongoChanges(mongo, collections, ledger, clock=clock),
        expunge=expunge,
        bodies=bodies,
        quarantine=quarantine,
        deliveries=deliveries,
        limits=limits,
        announcements=announcer,
        lessons=Lessons(shared.bus),
        warden=people.warden,
        keys=keys,
        clock=clock,
    )
    removed = metrics.counter("facteur_store_removed", "What went by its age or for want of use.", ("what",))
    jobs = {
        "quarantine": quarantine.expire,
        "mailboxes": departures.unfinished,
        "bodies": collector.collect,
        "junk": old_junk(RouterJunkKeeps(router), MongoJunk(collections, expunge), announcer, clock=clock),
        "blobs": old_blobs(shared.blobs, clock=clock, keep=settings.blob_keep),
    }
    tidy = cleaning(jobs, period=settings.collect_period, removed=removed)
    try:
        yield Service(
            name=NAME,
            settings=settings,
            metrics=metrics,
            routers=(*routes(context), *people.pages),
            # Quota away at the start: full mailboxes would take mail.
            needs=("quota",),
            # The handlers fetch large messages themselves, a few at a time, so that memory stays flat.
            queue_handlers=(
                QueueHandler(STORE, keeper.deliver, needs_raw=False, prefetch=settings.prefetch),
                QueueHandler(QUARANTINE, keeper.hold, needs_raw=False, prefetch=settings.prefetch),
            ),
            event_handlers=(
                *Accounts(mailboxes, departures, quarantine, limits, clock).table(),
                *people.event_handlers,
            ),
            background=(*announcer.rows, receipts.row, *tidy, *people.background),
            body_limit_bytes=settings.append_limit_bytes,
            public=PUBLIC,
        )
    finally:
        await announcer.close()
        await limits.close()
        await quota.close()
        await ingress.close()
        await antispam.close()
        await router.close()
