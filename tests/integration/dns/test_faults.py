"""The resolver before servers that fail: SERVFAIL, truncation, silence, floods (fault row 27)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client import generate_latest

from libs.dns import CachingResolver, ResolverLimits, open_resolver
from libs.dns.wire import NameServer
from libs.envelope import Temporary
from libs.settings import ServiceSettings
from libs.telemetry import Metrics
from tests.servers.zone import Zone, ZoneServer

QUICK = ResolverLimits(question=0.2, lookup=60.0, failure_ttl=0.0, probe=0.2, pause=30.0)


@pytest.fixture
def silent() -> Iterator[NameServer]:
    """A server that takes questions and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield NameServer("127.0.0.1", deaf.getsockname()[1])


def living(zone_server: ZoneServer) -> NameServer:
    return NameServer("127.0.0.1", zone_server.port)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_a_long_answer_comes_over_tcp(zone_server: ZoneServer) -> None:
    zone_server.zone = Zone("\n".join(f'long.example TXT "{n} {"x" * 200}"' for n in range(50)))
    resolver = CachingResolver([living(zone_server)])
    for times in (1, 2):  # what is so long is not remembered
        found = await resolver.txt("long.example")
        assert (len(found.records), zone_server.over_tcp) == (50, times)


async def test_the_next_server_is_asked_when_one_fails(zone_server: ZoneServer, silent: NameServer) -> None:
    zone_server.zone = Zone("a.example A 192.0.2.1")
    failing = ZoneServer(Zone("a.example SERVFAIL"))
    failing.start()
    resolver = CachingResolver([silent, NameServer("127.0.0.1", failing.port), living(zone_server)], QUICK)
    assert (await resolver.a("a.example")).records
    failing.stop()
    tries = resolver.servers.tries
    assert (tries["silent"] >= 1, tries["refused"], tries["answered"]) == (True, 1, 1)


async def test_a_failure_is_remembered_for_a_short_time_and_an_answer_for_its_ttl(zone_server: ZoneServer) -> None:
    clock = Clock()
    zone_server.zone = Zone("a.example SERVFAIL\nb.example A 192.0.2.1")
    resolver = CachingResolver([living(zone_server)], ResolverLimits(failure_ttl=5.0), now=clock)
    for _ in range(3):
        with pytest.raises(Temporary, match="SERVFAIL"):
            await resolver.a("a.example")
        await resolver.a("b.example")
    assert sorted(zone_server.questions) == [("a.example", "A"), ("b.example", "A")]
    zone_server.zone = Zone("a.example A 192.0.2.1")
    clock.seconds = 6
    assert (await resolver.a("a.example")).records
    assert (await resolver.a("B.example")).records  # of 300 seconds
    clock.seconds = 301
    assert not (await resolver.a("b.example")).exists


async def test_a_silent_server_is_left_alone_until_it_is_tried_again(
    zone_server: ZoneServer, silent: NameServer
) -> None:
    clock = Clock()
    resolver = CachingResolver([silent], QUICK, now=clock)
    for n in range(2):
        with pytest.raises(Temporary, match="no answer within"):
            await resolver.a(f"{n}.example")
    assert resolver.servers.silent == 1
    before = resolver.servers.tries["silent"]
    for n in range(100):
        with pytest.raises(Temporary, match="no DNS server answers lately"):
            await resolver.a(f"again{n}.example")
    assert resolver.servers.tries["silent"] == before  # nobody waited
    clock.seconds = QUICK.pause
    assert resolver.servers.silent == 0
    with pytest.raises(Temporary, match="no answer within"):
        await resolver.a("later.example")
    assert resolver.servers.silent == 1  # at once: it had its chance


async def test_dead_domains_of_strangers_do_not_silence_a_server_that_lives(zone_server: ZoneServer) -> None:
    zone_server.zone = Zone("\n".join(f"{n}.example TIMEOUT" for n in range(9)) + "\ngood.example A 192.0.2.1")
    resolver = CachingResolver([living(zone_server)], replace(QUICK, probe=30.0))
    dead = [resolver.a(f"{n}.example") for n in range(9)]
    outcomes = await asyncio.gather(*dead, return_exceptions=True)
    assert all(isinstance(outcome, Temporary) for outcome in outcomes)
    assert resolver.servers.silent == 0
    assert (await resolver.a("good.example")).records


async def test_a_look_up_ends_in_its_time_whatever_servers_do(silent: NameServer) -> None:
    resolver = CachingResolver([silent] * 50, ResolverLimits(question=5.0, lookup=0.3))
    with pytest.raises(Temporary, match=r"no answer within 0\.3 s"):
        await resolver.a("a.example")


async def test_a_thousand_equal_questions_are_one_and_a_flood_of_others_is_answered(zone_server: ZoneServer) -> None:
    zone_server.zone = Zone("a.example A 192.0.2.1")
    resolver = CachingResolver([living(zone_server)], ResolverLimits(lookup=60.0, concurrency=20, cached=100))
    await asyncio.gather(*(resolver.a("a.example") for _ in range(1000)))
    assert zone_server.questions == [("a.example", "A")]
    flood = await asyncio.gather(*(resolver.a(f"{n}.nowhere.example") for n in range(500)))
    assert not any(answer.exists for answer in flood)
    assert resolver.outcomes == {"found": 1, "nxdomain": 500}
    assert resolver.joined == 999


async def test_settings_make_a_resolver_and_metrics_show_what_it_does(zone_server: ZoneServer) -> None:
    zone_server.zone = Zone("a.example A 192.0.2.1\nb.example SERVFAIL")
    metrics = Metrics()
    settings = ServiceSettings(dns_servers=("127.0.0.1",), dns_port=zone_server.port)
    resolver = open_resolver(settings, metrics)
    for _ in range(2):
        await resolver.a("a.example")
    with pytest.raises(Temporary):
        await resolver.a("b.example")
    page = generate_latest(metrics.registry).decode()
    for line in (
        'facteur_dns_lookups_total{outcome="found"} 1.0',
        'facteur_dns_lookups_total{outcome="cached"} 1.0',
        'facteur_dns_lookups_total{outcome="failed"} 1.0',
        'facteur_dns_tries_total{outcome="refused"} 1.0',
        "facteur_dns_servers_silent 0.0",
    ):
        assert line in page
    assert "example" not in page


async def test_without_any_server_nobody_waits() -> None:
    with pytest.raises(Temporary, match="there is no DNS server"):
        await CachingResolver([]).a("a.example")
