"""Composition root of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import APIRouter

from libs.envelope.queues import QUARANTINE, STORE
from libs.http import Client, MongoKeys
from libs.runtime import QueueHandler, Service, Shared
from libs.telemetry import Metrics
from services.store.accounts import Accounts
from services.store.api import ABOUT, StoreContext, routes
from services.store.api.quarantine_pages import page_routes
from services.store.handlers import DeliveryHandler
from services.store.mailboxes.cleanup import cleanup_rounds
from services.store.mailboxes.compose import Mailboxes, open_mailboxes
from services.store.mailboxes.junk_feedback import JunkFeedback
from services.store.quarantine.compose import QuarantineService, open_quarantine
from services.store.settings import Settings

NAME = "store"
PUBLIC = "/public"

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `Temporary` when MongoDB does not answer.

    The failure policy of each neighbour stands where its adapter is built: `open_mailboxes`, `open_quarantine`.
    """
    metrics = Metrics()
    async with AsyncExitStack() as closing:

        def neighbour(name: str) -> Client:
            client = shared.client(settings, name)
            closing.push_async_callback(client.close)
            return client

        ingress = neighbour("ingress")
        mailboxes = await open_mailboxes(
            settings, shared, metrics, quota=neighbour("quota"), router=neighbour("router"), ingress=ingress
        )
        closing.push_async_callback(mailboxes.close)
        quarantine = open_quarantine(
            settings,
            shared,
            metrics,
            collections=mailboxes.collections,
            bodies=mailboxes.bodies,
            antispam=neighbour("antispam"),
            ingress=ingress,
        )
        keys = MongoKeys(shared.mongo.database(NAME), remember=settings.idempotency_window, clock=shared.clock)
        await keys.prepare()
        handler = _handler(settings, shared, metrics, mailboxes, quarantine)
        accounts = Accounts(
            mailboxes.mailboxes, mailboxes.account_deletion, quarantine.entries, mailboxes.limits, shared.clock
        )
        removed = metrics.counter("facteur_store_removed_items", "Items deleted by age or as unreferenced.", ("kind",))
        jobs = {"quarantine": quarantine.entries.expire, **mailboxes.jobs}
        yield Service(
            name=NAME,
            about=ABOUT,
            settings=settings,
            metrics=metrics,
            routers=(*routes(_context(shared, mailboxes, quarantine, keys)), *_pages(settings, quarantine)),
            # Without quota at the start, full mailboxes would accept mail.
            needs=("quota",),
            # The handlers fetch large messages themselves, a few at a time, so that memory stays flat.
            queue_handlers=(
                QueueHandler(STORE, handler.deliver, needs_raw=False, prefetch=settings.prefetch),
                QueueHandler(QUARANTINE, handler.hold, needs_raw=False, prefetch=settings.prefetch),
            ),
            event_handlers=(*accounts.table(), *quarantine.event_handlers),
            background=(
                *mailboxes.background,
                *cleanup_rounds(jobs, period=settings.cleanup_period, removed=removed),
                *quarantine.background,
            ),
            body_limit_bytes=settings.append_limit_bytes,
            public=PUBLIC,
        )


def _handler(
    settings: Settings, shared: Shared, metrics: Metrics, mailboxes: Mailboxes, quarantine: QuarantineService
) -> DeliveryHandler:
    return DeliveryHandler(
        deliveries=mailboxes.deliveries,
        quarantine=quarantine.entries,
        limits=mailboxes.limits,
        usage_publisher=mailboxes.usage_publisher,
        bounce=mailboxes.bounce,
        receipts=mailboxes.receipts,
        blobs=shared.blobs,
        bus=shared.bus,
        large=asyncio.Semaphore(settings.large_concurrency),
        hostname=settings.hostname,
        deliveries_total=metrics.counter(
            "facteur_store_mailbox_deliveries", "Deliveries of a message to one mailbox, by outcome.", ("outcome",)
        ),
        on_quarantined=quarantine.wake.set,
    )


def _context(shared: Shared, mailboxes: Mailboxes, quarantine: QuarantineService, keys: MongoKeys) -> StoreContext:
    return StoreContext(
        mailboxes=mailboxes.mailboxes,
        messages=mailboxes.messages,
        changes=mailboxes.changes,
        expunge=mailboxes.expunge,
        bodies=mailboxes.bodies,
        quarantine=quarantine.entries,
        deliveries=mailboxes.deliveries,
        limits=mailboxes.limits,
        usage_publisher=mailboxes.usage_publisher,
        junk_feedback=JunkFeedback(shared.bus),
        actions=quarantine.actions,
        keys=keys,
        clock=shared.clock,
    )


def _pages(settings: Settings, quarantine: QuarantineService) -> tuple[APIRouter, ...]:
    if quarantine.validation is None:
        return ()
    return (page_routes(quarantine.validation, proxies=settings.page_proxies),)
