"""Composition root of the router."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from argon2 import PasswordHasher

from libs.events import Fact
from libs.http import MongoKeys
from libs.runtime import Service, Shared
from libs.telemetry import Metrics
from services.router import api, settings
from services.router.adapters.addresses import MongoAddresses
from services.router.adapters.argon2 import Argon2Passwords
from services.router.adapters.changes import DirectoryChanges
from services.router.adapters.credentials import MongoCredentials
from services.router.adapters.domains import MongoDomains
from services.router.adapters.outbox import EventOutbox
from services.router.adapters.routes import MongoRoutes
from services.router.adapters.schema import create_indexes
from services.router.authentication import Authentication
from services.router.directory import Directory
from services.router.domain.resolution import ExpansionLimits
from services.router.handlers import RoutingHandler, subscriptions, table
from services.router.resolver import RouteResolver

NAME = "router"
Settings = settings.Settings


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """MongoDB away: cached routes serve, everything else is deferred. Argon2 overloaded: deferred."""
    database = shared.mongo.database(NAME)
    await create_indexes(database)
    resolver = RouteResolver(
        MongoRoutes(database),
        ExpansionLimits(depth=settings.depth_limit, addresses=settings.expansion_limit),
        cached_routes=settings.cached_routes,
        ttl=settings.route_ttl,
        postmaster=settings.postmaster,
    )
    routing = RoutingHandler(resolver)
    emitter = EventOutbox(database, shared.bus, settings.event_period)

    def changed(events: Iterable[Fact]) -> None:
        for event in events:
            routing.forget(event)
        emitter.wake()

    keys = MongoKeys(database, remember=settings.idempotency_ttl, clock=shared.clock)
    await keys.prepare()
    changes = DirectoryChanges(shared.mongo, database, shared.clock, keys=keys, changed=changed)
    domains, addresses = MongoDomains(database, changes), MongoAddresses(database, changes)
    await domains.emit_quota_wishes()
    passwords = _passwords(settings)
    directory = Directory(domains, addresses, passwords, shared.clock, max_targets=settings.expansion_limit)
    authentication = Authentication(directory, domains, addresses, MongoCredentials(database), passwords)
    try:
        yield Service(
            name=NAME,
            about=api.ABOUT,
            settings=settings,
            metrics=Metrics(),
            routers=(
                api.domain_routes(directory, shared.clock),
                api.alias_domain_routes(directory, shared.clock),
                api.account_routes(directory, keys, shared.clock),
                api.alias_routes(directory, keys),
                api.forward_routes(directory),
                api.redirect_routes(directory),
                api.replication_routes(directory, max_replications=settings.expansion_limit),
                api.question_routes(resolver, authentication, directory),
            ),
            queue_handlers=table(routing),
            event_handlers=subscriptions(routing),
            background=(emitter.row,),
        )
    finally:
        passwords.close()


def _passwords(settings: Settings) -> Argon2Passwords:
    hasher = PasswordHasher(
        time_cost=settings.argon2_iterations,
        memory_cost=settings.argon2_memory_kib,
        parallelism=settings.argon2_lanes,
    )
    return Argon2Passwords(
        hasher,
        threads=settings.password_threads,
        queue=settings.password_queue,
        deadline=settings.password_deadline,
    )
