"""Composition of the filtering slice: the runner of the chain, the rulebooks in memory, and what filters may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from libs.dns import open_resolver
from libs.envelope import Temporary
from libs.events import PolicyChanged
from libs.runtime import Periodic, Shared
from libs.telemetry import Metrics
from services.antispam.engines.model import Engines
from services.antispam.filtering.context import FilterEnvironment, ImageReader, LookupSettings
from services.antispam.filtering.counters import Counters
from services.antispam.filtering.filter_metrics import FilterMetrics
from services.antispam.filtering.mongo_counters import MongoCounters
from services.antispam.filtering.rulebook_cache import RulebookCache
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import Step
from services.antispam.learning.compose import LearningSlice
from services.antispam.message.registered_domain import load_suffixes
from services.antispam.policy.compose import PolicySlice
from services.antispam.policy.policy import DEFAULT
from services.antispam.reputation.compose import ReputationSlice
from services.antispam.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FilteringSlice:
    """The objects that judge mail, and the stores for the pages of the API."""

    rulebooks: RulebookCache
    environment: FilterEnvironment
    runner: Runner
    counters: Counters
    stored_counters: MongoCounters
    shared: Shared
    background: Sequence[Periodic]

    def policy_changed(self, fact: PolicyChanged) -> None:
        """Handle the event: the rulebook of the domain (empty: of all domains) is read again before its next use."""
        self.rulebooks.forget(fact.domain or DEFAULT)

    async def announce_policy_change(self, scope: str) -> None:
        """Tell all replicas and services that the policy, the lists or the rules of `scope` changed."""
        self.rulebooks.forget(scope)
        await self.shared.bus.emit(PolicyChanged(domain="" if scope == DEFAULT else scope).to_bus())

    async def close(self) -> None:
        """Write the counts that are still in memory; a database that is away loses them."""
        try:
            await self.counters.flush()
        except Temporary as error:
            log.warning("statistics_lost", reason=error.reason)


async def open_filtering(
    settings: Settings,
    shared: Shared,
    database: Any,
    *,
    chain: Sequence[Step],
    policy: PolicySlice,
    learning: LearningSlice,
    reputation: ReputationSlice,
    engines: Engines,
    images: ImageReader,
    metrics: Metrics,
) -> FilteringSlice:
    """Register the metrics of the filters. Raises `Temporary` when MongoDB does not answer."""
    stored_counters = MongoCounters(database, keep=settings.statistics_retention)
    await stored_counters.prepare()
    await asyncio.to_thread(load_suffixes)
    # MongoDB away: mail of a domain whose rulebook was read before is judged with that one, other mail waits.
    rulebooks = RulebookCache(
        policy.rulebooks.load, chain, max_age=settings.rulebook_max_age, capacity=settings.rulebook_capacity
    )
    runner, counters = Runner(chain), Counters(stored_counters, policy.rules, clock=shared.clock)
    metrics.registry.register(FilterMetrics(runner))
    metrics.entries("mass mailings", lambda: len(reputation.mass_mailings))
    metrics.entries("counted messages", counters.remembered)
    environment = FilterEnvironment(
        own_names=frozenset(name.lower() for name in (settings.hostname, *settings.own_host_names)),
        trusted_networks=settings.trusted_networks,
        peers=reputation.blacklisted_peers,
        mass_mailings=reputation.mass_mailings,
        statistics=learning.statistics,
        dns=open_resolver(settings, metrics),
        lookups=_lookups(settings),
        correspondents=reputation.correspondents,
        complaints=reputation.complaints,
        arc_trusted_sealers=frozenset(name.lower() for name in settings.arc_trusted_sealers),
        engines=engines,
        images=images,
    )
    background = (Periodic("mail statistics", counters.flush, settings.flush_period),)
    return FilteringSlice(rulebooks, environment, runner, counters, stored_counters, shared, background)


def _lookups(settings: Settings) -> LookupSettings:
    return LookupSettings(
        dnsbl=settings.dnsbl,
        uribl=settings.uribl,
        domains_limit=settings.uribl_domains_per_message,
        address_without_mx=settings.invalid_mx_address_share,
    )
