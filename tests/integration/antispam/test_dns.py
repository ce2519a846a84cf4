"""The filters that query DNS, against a DNS server: hits, misses, and a server without answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.authentication.spf import check_host
from libs.authentication.spf.evaluation import SpfSession
from libs.dns import CachingResolver, ResolverLimits
from libs.dns.wire import NameServer
from libs.envelope import queues
from libs.network import parsed
from tests.servers.spf_suite import Case, cases
from tests.servers.zone import Zone, ZoneServer
from tests.specimens.antispam import a_message, html

LISTS = {"dnsbl": ("one.bl.example", "two.bl.example"), "uribl": ("one.bl.example", "two.bl.example")}
HONEST = {"from": "jean@elsewhere.example", "peer": "192.0.2.1", "helo": "mx.elsewhere.example"}
DNS_FILTERS = ("spf", "spf_softfail", "spf_permerror", "reverse_dns", "invalid_mx", "dnsbl", "uribl", "helo")
SPECIMENS: list[tuple[str, dict[str, str], bytes]] = [
    ("spf", {"from": "boss@forged.example"}, a_message()),
    ("spf_softfail", {"from": "boss@wary.example"}, a_message()),
    ("spf_permerror", {"from": "boss@wrong.example"}, a_message()),
    ("reverse_dns", {"from": "a@without-mx.example", "peer": "192.0.2.2"}, a_message()),
    ("invalid_mx", {"from": "a@nowhere.example"}, a_message()),
    ("dnsbl", {"from": "a@without-mx.example", "peer": "192.0.2.66"}, a_message()),
    ("dnsbl", {"from": "a@without-mx.example", "peer": "2001:db8::66"}, a_message()),
    ("uribl", {}, html('<a href="https://buy.pills.example/now">the minutes</a> of our meeting of Tuesday')),
    ("helo", {"helo": "nowhere.example"}, a_message()),
]


def outcomes(checked: Any) -> dict[str, str]:
    return {found["filter"]: found["outcome"] for found in checked["findings"]}


@pytest.fixture
def silent() -> Iterator[int]:
    """Return the port of a DNS server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield int(deaf.getsockname()[1])


async def test_each_filter_hits_its_specimen_and_none_an_honest_message(start: Any) -> None:
    replica = await start(**LISTS)
    honest = outcomes(await replica.check(a_message(), **HONEST))
    assert {name: honest[name] for name in DNS_FILTERS} == dict.fromkeys(DNS_FILTERS, "miss")
    for name, fields, raw in SPECIMENS:
        assert outcomes(await replica.check(raw, **{**HONEST, **fields}))[name] == "hit", (name, fields)


async def test_all_questions_of_a_message_are_asked_at_the_same_time(start: Any, zone_server: ZoneServer) -> None:
    replica = await start(**LISTS, dns_timeout=30, dns_deadline=30)
    zone_server.together = 10  # TXT, PTR, MX, A of HELO, two lists for the peer and for each of two domains
    found = outcomes(await replica.check(a_message("see http://www.example.com/"), **HONEST))
    assert {name: found[name] for name in DNS_FILTERS} == dict.fromkeys(DNS_FILTERS, "miss")
    assert len(zone_server.questions) == len(set(zone_server.questions))


async def test_a_forged_sender_is_spam_before_any_whitelist_of_senders(start: Any, post: Any) -> None:
    replica = await start()
    await replica.call("PATCH", "/v1/policies/example.org", json={"action": "quarantine"})
    await replica.call("POST", "/v1/lists/sender_white", json={"value": "forged.example"}, expect=201)
    sent = await post.send(mail_from="boss@forged.example")
    held = (await post.taken(sent))[queues.QUARANTINE].envelope
    assert [test.name for test in held.verdicts["example.org"].tests][-1] == "spf"


@pytest.mark.parametrize("fault", ["silence", "SERVFAIL"])
async def test_mail_flows_without_dns_and_the_failures_are_seen(
    fault: str, start: Any, post: Any, silent: int, zone_server: ZoneServer
) -> None:
    port = silent if fault == "silence" else zone_server.port
    replica = await start(dns_port=port, dns_timeout=0.5, dns_deadline=5, **LISTS)
    broken = ("elsewhere.example", "1.2.0.192.in-addr.arpa", "mx.elsewhere.example", "1.2.0.192.one.bl.example")
    zone_server.zone = Zone("\n".join(f"{name} SERVFAIL" for name in broken))
    ids = [await post.send() for _ in range(20)]
    for id in ids:
        assert not (await post.taken(id))[queues.ROUTER].envelope.verdicts["example.org"].spam
    found = outcomes(await replica.check(a_message(), **HONEST))
    asking = ("spf", "reverse_dns", "invalid_mx", "dnsbl", "helo")
    assert {name: found[name] for name in asking} == dict.fromkeys(asking, "error")
    assert (await replica.http.get("/readyz")).status_code == 200
    page = (await replica.http.get("/metrics")).text
    assert 'facteur_antispam_filter_errors_total{filter="spf"} 20.0' in page
    assert f"facteur_dns_servers_silent {1.0 if fault == 'silence' else 0.0}" in page


COSTLY_RECORDS = f"""
loop.example     TXT "v=spf1 include:loop2.example -all"
loop2.example    TXT "v=spf1 include:loop.example -all"
eleven.example   TXT "v=spf1{" a:one.example" * 11} -all"
one.example      A   198.51.100.1
void.example     TXT "v=spf1 a:x.example a:y.example a:z.example -all"
bomb.example     TXT "v=spf1" {" ".join(f'" exists:{"%{s}%{p}" * 20}.{n}.example"' for n in range(3))} " -all"
"""


async def test_records_made_to_cost_are_a_permerror(start: Any, zone_server: ZoneServer) -> None:
    replica = await start()
    zone_server.zone = Zone(COSTLY_RECORDS)
    for domain in ("loop", "eleven", "void", "bomb"):
        sender = f"{'a.' * 30}a@{domain}.example"
        found = outcomes(await replica.check(a_message(), **{**HONEST, "from": sender}))
        assert (found["spf"], found["spf_permerror"]) == ("miss", "hit"), domain
    assert len(zone_server.questions) < 60


async def test_the_suite_for_rfc_7208_passes_over_the_wire_too(zone_server: ZoneServer) -> None:
    async def passes(case: Case, resolver: CachingResolver) -> bool:
        sender = case.sender or f"postmaster@{case.helo}"
        local, _, domain = sender.rpartition("@")
        ip = parsed(case.ip)
        assert ip is not None
        session = SpfSession(ip, sender if local else f"postmaster@{domain}", case.helo, "unknown", datetime.now(UTC))
        spf = await check_host(domain, session, resolver, longest=timedelta(seconds=60))
        return spf.result.value in case.results

    wrong, count = [], 0
    by_zone: dict[int, list[Case]] = {}
    for case in cases():
        by_zone.setdefault(id(case.zone), []).append(case)
    for group in by_zone.values():
        zone_server.zone = group[0].zone
        zone_server.zone.hasten()
        resolver = CachingResolver([NameServer("127.0.0.1", zone_server.port)], ResolverLimits(lookup=30.0, probe=30.0))
        done = await asyncio.gather(*(passes(case, resolver) for case in group))
        wrong += [case.name for case, right in zip(group, done, strict=True) if not right]
        count += len(done)
    assert (wrong, count) == ([], 203)
