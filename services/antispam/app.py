"""Composition root of antispam."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from libs.dns import open_resolver
from libs.envelope import Temporary
from libs.events import PolicyChanged
from libs.runtime import Service, Shared
from libs.telemetry import Metrics
from services.antispam.adapters.counters import MongoCounters
from services.antispam.adapters.learning import MongoLearning
from services.antispam.adapters.lists import MongoLists
from services.antispam.adapters.peers import MongoPeers
from services.antispam.adapters.policies import MongoPolicies
from services.antispam.adapters.rulebooks import MongoRulebooks
from services.antispam.adapters.rules import MongoRules
from services.antispam.adapters.sightings import MongoSightings
from services.antispam.api.checking import check_routes
from services.antispam.api.learning import learning_routes
from services.antispam.api.lists import list_routes
from services.antispam.api.peers import peer_routes
from services.antispam.api.policies import policy_routes
from services.antispam.api.rules import rule_routes
from services.antispam.api.scopes import domain_of
from services.antispam.api.statistics import statistics_routes
from services.antispam.chain import CHAIN
from services.antispam.counters import Counters
from services.antispam.domain.content import tokens_of
from services.antispam.domain.context import Knowledge
from services.antispam.domain.judging import Runner
from services.antispam.domain.learned import Models
from services.antispam.domain.peers import PeersInMemory
from services.antispam.domain.policy import DEFAULT
from services.antispam.domain.sightings import SightingsInMemory
from services.antispam.exchanging import exchange_sightings, repeating
from services.antispam.handlers import Judge, Listener, handles, hears
from services.antispam.learning import Learning
from services.antispam.peers import Peers
from services.antispam.settings import Settings
from services.antispam.shelf import Shelf
from services.antispam.statistics import BayesStatistics
from services.antispam.tallying import TallyCollector

log = structlog.get_logger(__name__)

NAME = "antispam"

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `Temporary` when MongoDB does not answer."""
    database, clock = shared.mongo.database(NAME), shared.clock
    lists, rules, policies = MongoLists(database), MongoRules(database), MongoPolicies(database)
    stored_peers, counters = MongoPeers(database), MongoCounters(database)
    stored_sightings = MongoSightings(database, window=settings.mass_window)
    stored_lessons = MongoLearning(shared.mongo, database)
    for store in (lists, rules, stored_peers, stored_sightings, stored_lessons):
        await store.prepare()

    # MongoDB away: a domain that was judged before is judged on with what was read last, another one waits.
    shelf = Shelf(
        MongoRulebooks(database).load, CHAIN, max_age=settings.rulebook_max_age, capacity=settings.rulebook_capacity
    )
    peers_in_memory = PeersInMemory(capacity=settings.peers_capacity)
    peers = Peers(peers_in_memory, stored_peers, shared.bus, capacity=settings.peers_capacity, clock=clock)
    await peers.load()
    sightings = SightingsInMemory(
        threshold=settings.mass_recipients, window=settings.mass_window, capacity=settings.mass_capacity
    )
    models = Models(always=DEFAULT, capacity=settings.bayes_domain_tokens)
    statistics = BayesStatistics(models, least=settings.bayes_least)
    learning = Learning(
        stored_lessons, models, shared.bus, knows=statistics.knows, clock=clock, tokens_limit=settings.bayes_tokens
    )
    await learning.refresh()
    metrics = Metrics()
    knowledge = Knowledge(
        own_names=frozenset(name.lower() for name in (settings.hostname, *settings.own_names)),
        trusted_networks=settings.trusted_networks,
        peers=peers_in_memory,
        sightings=sightings,
        statistics=statistics,
        dns=open_resolver(settings, metrics),
    )
    runner, counted = Runner(CHAIN), Counters(counters, rules, clock=clock)
    judge = Judge(shelf=shelf, runner=runner, knowledge=knowledge, learning=learning, counters=counted, clock=clock)
    listener = Listener(shelf, peers, learning)
    metrics.registry.register(TallyCollector(runner))

    async def changed(scope: str) -> None:
        shelf.forget(scope)
        await shared.bus.emit(PolicyChanged(domain=domain_of(scope)).to_bus())

    async def exchange() -> None:
        await exchange_sightings(sightings, stored_sightings, clock)

    try:
        yield Service(
            name=NAME,
            settings=settings,
            metrics=metrics,
            routers=(
                check_routes(judge, clock),
                policy_routes(policies, changed),
                list_routes(lists, changed, clock),
                rule_routes(rules, changed),
                peer_routes(peers, stored_peers, clock),
                statistics_routes(counters, clock),
                learning_routes(learning, tokens_of=tokens_of, speaks_for=statistics.speaks_for),
            ),
            handles=handles(judge),
            hears=hears(listener),
            background=(
                repeating("statistics", counted.flush, period=settings.flush_period),
                repeating("learned statistics", learning.follow, period=settings.flush_period),
                repeating("sightings", exchange, period=settings.flush_period),
                repeating("blacklisted peers", peers.load, period=settings.rulebook_max_age),
            ),
            body_limit_bytes=settings.check_limit_bytes,
        )
    finally:
        try:
            await counted.flush()
        except Temporary as error:
            log.warning("statistics_lost", reason=error.reason)
