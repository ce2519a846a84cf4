"""Composition root of antispam."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from libs.dns import open_resolver
from libs.envelope import Temporary
from libs.events import PolicyChanged
from libs.runtime import Periodic, Service, Shared
from libs.telemetry import Metrics
from services.antispam.api.checking import check_routes
from services.antispam.api.complaints import complaint_routes
from services.antispam.api.correspondents import correspondent_routes
from services.antispam.api.honeypots import honeypot_routes
from services.antispam.api.images import image_routes
from services.antispam.api.learning import learning_routes
from services.antispam.api.lessons import lesson_routes
from services.antispam.api.lists import list_routes
from services.antispam.api.peers import peer_routes
from services.antispam.api.policies import policy_routes
from services.antispam.api.reception import reception_routes
from services.antispam.api.rules import rule_routes
from services.antispam.api.scopes import domain_of
from services.antispam.api.statistics import statistics_routes
from services.antispam.chain import CHAIN
from services.antispam.feedback.feedback import Teacher
from services.antispam.feedback.router import RouterAccounts
from services.antispam.feedback.screening import Reception
from services.antispam.feedback.store import StoreMessages
from services.antispam.feedback.traps import Interception
from services.antispam.filtering.context import Knowledge
from services.antispam.filtering.counters import Counters
from services.antispam.filtering.judging import Runner
from services.antispam.filtering.lookups import Lookups
from services.antispam.filtering.mongo_counters import MongoCounters
from services.antispam.filtering.rulebook_cache import Shelf
from services.antispam.filtering.tallying import TallyCollector
from services.antispam.handlers import Judge, Listener, handles, hears
from services.antispam.images.mongo import MongoKnownImages
from services.antispam.learning.learner import Learning
from services.antispam.learning.model import Models
from services.antispam.learning.mongo import MongoLearning
from services.antispam.learning.statistics import BayesStatistics
from services.antispam.message.registered import read_suffixes
from services.antispam.outside import Outside
from services.antispam.policy.mongo_lists import MongoLists
from services.antispam.policy.mongo_policies import MongoPolicies
from services.antispam.policy.mongo_rulebooks import MongoRulebooks
from services.antispam.policy.mongo_rules import MongoRules
from services.antispam.policy.policy import DEFAULT
from services.antispam.reputation.auto_whitelist import Correspondents
from services.antispam.reputation.bans import Peers
from services.antispam.reputation.complaints import ComplaintsInMemory, Thresholds
from services.antispam.reputation.exchanging import exchange_sightings
from services.antispam.reputation.greylist import Patience
from services.antispam.reputation.mongo_complaints import MongoComplaints
from services.antispam.reputation.mongo_correspondents import MongoCorrespondents
from services.antispam.reputation.mongo_greylist import MongoGreylist
from services.antispam.reputation.mongo_honeypots import MongoHoneypots
from services.antispam.reputation.mongo_peers import MongoPeers
from services.antispam.reputation.mongo_sightings import MongoSightings
from services.antispam.reputation.peers import PeersInMemory
from services.antispam.reputation.sightings import SightingsInMemory
from services.antispam.settings import Settings

log = structlog.get_logger(__name__)

NAME = "antispam"
_COMPLAINTS_PERIOD = timedelta(seconds=10)
_FORGET_PERIOD = timedelta(minutes=1)

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `Temporary` when MongoDB does not answer."""
    database, clock = shared.mongo.database(NAME), shared.clock
    lists, rules, policies = MongoLists(database), MongoRules(database), MongoPolicies(database)
    stored_peers, counters = MongoPeers(database), MongoCounters(database, keep=settings.statistics_memory)
    stored_sightings = MongoSightings(database, window=settings.mass_window)
    stored_lessons = MongoLearning(shared.mongo, database)
    greylist, honeypots = MongoGreylist(database, _patience(settings)), MongoHoneypots(database)
    stored_correspondents = MongoCorrespondents(database, memory=settings.correspondents_memory)
    known_images = MongoKnownImages(database)
    stored_complaints = MongoComplaints(database, memory=settings.complaints_memory)
    for store in (
        *(lists, rules, stored_peers, stored_sightings, stored_lessons, counters),
        *(greylist, honeypots, stored_correspondents, stored_complaints, known_images),
    ):
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
        stored_lessons,
        models,
        shared.bus,
        knows=statistics.knows,
        clock=clock,
        tokens_limit=settings.bayes_tokens,
        memory=settings.bayes_memory,
    )
    await learning.refresh()
    # Database away: the automatic whitelist is a finding with an error, complaints are those that were read last.
    correspondents = Correspondents(
        stored_correspondents, shared.bus, capacity=settings.correspondents_capacity, clock=clock
    )
    complaints = ComplaintsInMemory(_thresholds(settings))

    async def read_complaints() -> None:
        complaints.replace(await stored_complaints.condemned(complaints.thresholds, clock()))

    await read_complaints()
    await asyncio.to_thread(read_suffixes)
    metrics = Metrics()
    outside = Outside.of(settings)
    knowledge = Knowledge(
        own_names=frozenset(name.lower() for name in (settings.hostname, *settings.own_names)),
        trusted_networks=settings.trusted_networks,
        peers=peers_in_memory,
        sightings=sightings,
        statistics=statistics,
        dns=open_resolver(settings, metrics),
        lookups=_lookups(settings),
        correspondents=correspondents,
        complaints=complaints,
        arc_trusted_sealers=frozenset(name.lower() for name in settings.arc_trusted_sealers),
        engines=outside.engines,
        images=outside.images,
    )
    # Both are asked in the background of mail. Router away: trainers are told to come again; store away: lessons wait.
    router, mailboxes = shared.client(settings, "router"), shared.client(settings, "store")
    teacher = Teacher(
        learning=learning,
        complaints=stored_complaints,
        messages=StoreMessages(mailboxes),
        moves_teach=settings.junk_moves_teach,
        clock=clock,
    )
    reception = Reception(
        shelf=shelf,
        knowledge=knowledge,
        greylist=greylist,
        honeypots=honeypots,
        accounts=RouterAccounts(router),
        patience=_patience(settings),
        clock=clock,
    )
    interception = Interception(
        shelf=shelf,
        knowledge=knowledge,
        peers=peers,
        traps=honeypots,
        teacher=teacher,
        clock=clock,
        ban=settings.honeypot_ban,
        learns=settings.honeypot_learns,
    )
    runner, counted = Runner(CHAIN), Counters(counters, rules, clock=clock)
    judge = Judge(
        shelf=shelf,
        runner=runner,
        knowledge=knowledge,
        learning=learning,
        counters=counted,
        interception=interception,
        clock=clock,
    )
    listener = Listener(
        shelf=shelf, peers=peers, learning=learning, teacher=teacher, correspondents=correspondents, counters=counted
    )
    metrics.registry.register(TallyCollector(runner))
    metrics.entries("digests", lambda: len(sightings))
    metrics.entries("counted messages", counted.remembered)

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
                check_routes(judge, knowledge.trusts, clock),
                policy_routes(policies, changed),
                list_routes(lists, changed, clock),
                rule_routes(rules, changed),
                image_routes(known_images, changed, outside.images.look, clock),
                peer_routes(peers, stored_peers, clock),
                statistics_routes(counters, clock),
                learning_routes(learning, teacher, speaks_for=statistics.speaks_for),
                lesson_routes(learning, stored_lessons),
                reception_routes(reception, greylist),
                honeypot_routes(honeypots, changed, clock),
                correspondent_routes(correspondents, stored_correspondents, clock),
                complaint_routes(stored_complaints, complaints.thresholds, read_complaints, clock),
            ),
            handles=handles(judge),
            hears=hears(listener),
            background=(
                Periodic("statistics", counted.flush, settings.flush_period),
                *_learning_work(learning, settings),
                Periodic("sightings", exchange, settings.flush_period),
                Periodic("complaints", read_complaints, _COMPLAINTS_PERIOD),
                Periodic("blacklisted peers", peers.load, settings.rulebook_max_age),
            ),
            body_limit_bytes=settings.check_limit_bytes,
        )
    finally:
        try:
            await counted.flush()
        except Temporary as error:
            log.warning("statistics_lost", reason=error.reason)
        await outside.close()
        await router.close()
        await mailboxes.close()


def _learning_work(learning: Learning, settings: Settings) -> tuple[Periodic, ...]:
    """Apart from each other, so that none waits for another that fails."""
    return (
        Periodic("learned statistics", learning.follow, settings.flush_period),
        Periodic("second looks", learning.look_again, settings.flush_period),
        Periodic("old lessons", learning.forget_old, _FORGET_PERIOD),
        Periodic("snapshots of statistics", learning.save_snapshots, settings.flush_period),
    )


def _lookups(settings: Settings) -> Lookups:
    return Lookups(
        dnsbl=settings.dnsbl,
        uribl=settings.uribl,
        domains_limit=settings.uribl_domains,
        address_without_mx=settings.address_without_mx,
    )


def _patience(settings: Settings) -> Patience:
    return Patience(
        delay=settings.greylisting_delay,
        window=settings.greylisting_window,
        memory=settings.greylisting_memory,
        successes=settings.greylisting_successes,
        by=settings.greylisting_by,
    )


def _thresholds(settings: Settings) -> Thresholds:
    return Thresholds(
        peer=settings.complaints_of_peer,
        sender=settings.complaints_of_sender,
        domain=settings.complaints_of_domain,
    )
