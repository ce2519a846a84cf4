"""From settings to a resolver, with its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dns.resolver
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from libs.dns.resolver import CachingResolver, ResolverLimits
from libs.dns.wire import NameServer
from libs.settings import ServiceSettings
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)


def open_resolver(settings: ServiceSettings, metrics: Metrics) -> CachingResolver:
    """One a service. It keeps no socket open, so there is nothing to close."""
    servers = [NameServer(address, settings.dns_port) for address in settings.dns_servers] or _of_the_system()
    limits = ResolverLimits(
        question=settings.dns_timeout.total_seconds(),
        lookup=settings.dns_deadline.total_seconds(),
        concurrency=settings.dns_concurrency,
        cached=settings.dns_cache,
    )
    resolver = CachingResolver(servers, limits)
    metrics.registry.register(LookupCollector(resolver))
    return resolver


def _of_the_system() -> Sequence[NameServer]:
    try:
        system = dns.resolver.Resolver(configure=True)
    except dns.resolver.NoResolverConfiguration as error:
        log.warning("no_dns_server", reason=str(error))
        return ()
    return [NameServer(str(address), system.port) for address in system.nameservers]


class LookupCollector(Collector):
    """Plain numbers, read when asked."""

    def __init__(self, resolver: CachingResolver) -> None:
        self._resolver = resolver

    def collect(self) -> Iterator[Metric]:
        """Look-ups end cached, joined, found, nodata, nxdomain or failed."""
        lookups = CounterMetricFamily("facteur_dns_lookups", "Look-ups, by outcome.", labels=("outcome",))
        for outcome, number in {**self._resolver.outcomes, "joined": self._resolver.joined}.items():
            lookups.add_metric((outcome,), number)
        yield lookups
        tries = CounterMetricFamily("facteur_dns_tries", "Questions to DNS servers, by outcome.", labels=("outcome",))
        for outcome, number in self._resolver.servers.tries.items():
            tries.add_metric((outcome,), number)
        yield tries
        silent = self._resolver.servers.silent
        yield GaugeMetricFamily("facteur_dns_servers_silent", "DNS servers that are not asked now.", value=silent)
