"""Composition root of quota."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from libs.events import QuotaChanged
from libs.neighbours import IngressClient, RouterClient, StoreClient
from libs.runtime import Service, Shared
from libs.telemetry import Metrics
from services.quota.adapters.neighbours import RouterDirectory, StoreCounter
from services.quota.adapters.sends import MongoSends
from services.quota.adapters.usage import MongoUsage
from services.quota.api import ABOUT, routes
from services.quota.handlers import UsageHandler
from services.quota.recounting import recounting
from services.quota.settings import Settings
from services.quota.warnings import warning

NAME = "quota"

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `Temporary` when MongoDB does not answer."""
    database = shared.mongo.database(NAME)
    usage = MongoUsage(database, profiles=settings.profiles, default_profile=settings.default_profile)
    sends = MongoSends(database)
    await usage.prepare()
    await sends.prepare()
    # Each neighbour away: usage is told by events anyway, so recounts and warnings wait for the next occasion.
    ingress, router, store = (shared.client(settings, name) for name in ("ingress", "router", "store"))
    handler = UsageHandler(
        usage=usage,
        counter=StoreCounter(StoreClient(store)),
        post=IngressClient(ingress),
        write=partial(warning, author=settings.warn_sender, hostname=settings.hostname),
        bus=shared.bus,
        clock=shared.clock,
        warn_percent=settings.warn_percent,
        warn_again=settings.warn_again,
    )

    async def changed(address: str) -> None:
        await shared.bus.emit(QuotaChanged(address=address).to_bus())

    directory = RouterDirectory(RouterClient(router))
    api = routes(settings, usage, sends, directory, handler, changed=changed, clock=shared.clock)
    try:
        yield Service(
            name=NAME,
            about=ABOUT,
            settings=settings,
            metrics=Metrics(),
            routers=(api,),
            event_handlers=handler.table(),
            background=(recounting(usage, handler, period=settings.recount_period, clock=shared.clock),),
        )
    finally:
        for client in (ingress, router, store):
            await client.close()
