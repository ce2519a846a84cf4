"""The limits on records of an attacker (RFC 7208 4.6.4, RFC 7208 11.1), and the causes of a temperror."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from libs.authentication.spf import SpfCheck, SpfResult, check_host
from libs.authentication.spf.evaluation import SpfSession
from libs.authentication.spf.macros import DomainSpec
from libs.dns import DnsAnswer
from tests.servers.zone import Zone


async def checked(zone: Zone, domain: str = "a.example", sender: str = "jean@a.example", **more: Any) -> SpfCheck:
    session = SpfSession(ip_address("192.0.2.1"), sender, "mx.a.example", "unknown", datetime(2026, 1, 1, tzinfo=UTC))
    return await check_host(domain, session, zone, **more)


def a_zone(*lines: str) -> Zone:
    return Zone("\n".join(lines))


LOOP = a_zone('a.example TXT "v=spf1 include:b.example -all"', 'b.example TXT "v=spf1 include:a.example -all"')
REDIRECTS = a_zone(*(f'r{n}.example TXT "v=spf1 redirect=r{n + 1}.example"' for n in range(99)))
ELEVEN = a_zone(
    f'a.example TXT "v=spf1 {" ".join(f"a:h{n}.example" for n in range(11))} -all"',
    *(f"h{n}.example A 198.51.100.1" for n in range(11)),
)
VOID = a_zone('a.example TXT "v=spf1 a:x.example a:y.example exists:z.example -all"')
TREE = a_zone(
    *(f't{n}.example TXT "v=spf1{"".join(f" include:t{n + 1}.example" for _ in range(9))}"' for n in range(20))
)
LONG = a_zone('a.example TXT "v=spf1 " ' + " ".join(['"ip4:192.0.2.9 "'] * 900))
MANY_MX = a_zone('a.example TXT "v=spf1 mx -all"', *(f"a.example MX {n} m{n}.example." for n in range(11)))


@pytest.mark.parametrize(
    ("word", "zone", "domain", "most"),
    [
        ("eleven look-ups", ELEVEN, "a.example", 11),
        ("an include loop", LOOP, "a.example", 11),
        ("a tree of includes", TREE, "t0.example", 11),
        ("a chain of redirects", REDIRECTS, "r0.example", 11),
        ("three void look-ups", VOID, "a.example", 4),
        ("eleven MX", MANY_MX, "a.example", 2),
        ("a record of 13,000 octets", LONG, "a.example", 1),
    ],
)
async def test_records_that_cost_too_much_are_a_permerror_after_few_questions(
    word: str, zone: Zone, domain: str, most: int
) -> None:
    zone.asked.clear()
    assert (await checked(zone, domain)).result is SpfResult.PERMERROR
    assert len(zone.asked) <= most


async def test_a_bomb_of_macros_expands_to_one_name_at_most() -> None:
    record = "v=spf1 " + " ".join("exists:" + "%{s}.%{l1r-}.%{d99999999999r}" * 30 + ".a.example" for _ in range(9))
    quoted = " ".join(f'"{record[at : at + 250]}"' for at in range(0, len(record), 250))
    zone = a_zone(f'a.example TXT {quoted} " -all"')
    spf = await checked(zone, sender="a." * 8000 + "a@a.example")
    assert spf.result is SpfResult.PERMERROR  # void look-ups
    assert all(len(name) <= 253 for name, _ in zone.asked)


def test_a_name_that_is_too_long_loses_labels_on_the_left() -> None:
    spec = DomainSpec("%{l}.example.com")
    assert spec.expanded({"l": ".".join(["abcdefghi"] * 40)}) == ".".join(["abcdefghi"] * 24) + ".example.com"
    assert spec.expanded({"l": "x" * 300}) == "example.com"


async def test_many_names_of_a_peer_cost_ten_look_ups_and_are_no_error() -> None:
    names = [f"1.2.0.192.in-addr.arpa PTR n{n}.example." for n in range(50)]
    zone = a_zone('a.example TXT "v=spf1 ptr ?all"', *names)
    assert (await checked(zone)).result is SpfResult.NEUTRAL
    assert len(zone.asked) == 1 + 1 + 10


async def test_slow_answers_end_in_a_temperror_in_time() -> None:
    class Slow(Zone):
        async def txt(self, name: str) -> DnsAnswer[bytes]:
            await asyncio.Event().wait()
            raise AssertionError

    spf = await checked(Slow(), longest=timedelta(milliseconds=20))
    assert (spf.result, spf.domain) == (SpfResult.TEMPERROR, "a.example")


@pytest.mark.parametrize(
    "record", ["v=spf1 include:b.example -all", "v=spf1 a:b.example -all", "v=spf1 mx:b.example all"]
)
async def test_a_look_up_without_an_answer_is_a_temperror(record: str) -> None:
    zone = a_zone(f'a.example TXT "{record}"', "b.example SERVFAIL")
    spf = await checked(zone)
    assert spf.result is SpfResult.TEMPERROR
    assert "b.example" in spf.reason


async def test_an_exchanger_that_matches_counts_before_one_that_cannot_be_asked() -> None:
    zone = a_zone(
        'a.example TXT "v=spf1 mx -all"', "a.example MX 1 m.example.", "a.example MX 2 dead.example.",
        "m.example A 192.0.2.1", "dead.example SERVFAIL",
    )  # fmt: skip
    assert (await checked(zone)).result is SpfResult.PASS
