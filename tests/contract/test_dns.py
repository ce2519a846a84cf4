"""What every resolver promises: the zone in memory of the tests, and the real one before two real servers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest

from libs.dns import CachingResolver, DnsAnswer, Mx, Resolver, ResolverLimits
from libs.dns.wire import NameServer
from libs.envelope import Temporary
from tests.servers.dns import DnsServer
from tests.servers.zone import Zone, ZoneServer

ZONE = """
plain.example           A     192.0.2.1
plain.example           AAAA  2001:db8::1
1.2.0.192.in-addr.arpa  PTR   Plain.example.
alias.example           CNAME plain.example.
below.deep.example      A     192.0.2.2
two.example             MX    20 b.example.
two.example             MX    10 A.example.
null.example            MX    0 .
text.example            TXT   "v=sp" "f1 -all"
text.example            TXT   "another"
"""
DNSMASQ = [
    "--host-record=plain.example,192.0.2.1,2001:db8::1",
    "--ptr-record=1.2.0.192.in-addr.arpa,Plain.example",
    "--cname=alias.example,plain.example",
    "--host-record=below.deep.example,192.0.2.2",
    "--mx-host=two.example,b.example,20",
    "--mx-host=two.example,A.example,10",
    "--mx-host=null.example,.,0",
    "--txt-record=text.example,v=sp,f1 -all",
    "--txt-record=text.example,another",
    "--local=/example/in-addr.arpa/ip6.arpa/",
]


@pytest.fixture(scope="module", params=["memory", "dnsmasq", "own server"])
def resolver(request: pytest.FixtureRequest) -> Iterator[Resolver]:
    if request.param == "memory":
        yield Zone(ZONE)
        return
    server = DnsServer(DNSMASQ) if request.param == "dnsmasq" else ZoneServer(Zone(ZONE))
    server.start()
    yield CachingResolver([NameServer("127.0.0.1", server.port)])
    server.stop()


NOTHING: DnsAnswer[Any] = DnsAnswer()
NOWHERE: DnsAnswer[Any] = DnsAnswer((), exists=False)
CASES: list[tuple[str, str, DnsAnswer[Any]]] = [
    ("a", "plain.example", DnsAnswer((IPv4Address("192.0.2.1"),))),
    ("a", "PLAIN.Example.", DnsAnswer((IPv4Address("192.0.2.1"),))),
    ("aaaa", "plain.example", DnsAnswer((IPv6Address("2001:db8::1"),))),
    ("a", "alias.example", DnsAnswer((IPv4Address("192.0.2.1"),))),
    ("mx", "two.example", DnsAnswer((Mx(10, "a.example"), Mx(20, "b.example")))),
    ("mx", "null.example", DnsAnswer((Mx(0, ""),))),
    ("mx", "plain.example", NOTHING),
    ("aaaa", "two.example", NOTHING),
    ("a", "deep.example", NOTHING),  # RFC 8020: there is something below it
    ("a", "nowhere.example", NOWHERE),
    ("txt", "nowhere.example", NOWHERE),
    ("a", "a..example", NOWHERE),
    ("a", f"{'a' * 64}.example", NOWHERE),
    ("a", ".".join(["abcdefg"] * 40), NOWHERE),
    ("a", "exämple.example", NOWHERE),
]


@pytest.mark.parametrize(("kind", "name", "answer"), CASES, ids=lambda value: str(value)[:30])
async def test_it_tells_what_there_is(resolver: Resolver, kind: str, name: str, answer: DnsAnswer[Any]) -> None:
    assert await getattr(resolver, kind)(name) == answer
    assert await getattr(resolver, kind)(name) == answer  # remembered


async def test_strings_of_a_record_are_one_text_and_records_stay_apart(resolver: Resolver) -> None:
    assert set((await resolver.txt("text.example")).records) == {b"v=spf1 -all", b"another"}


async def test_addresses_lead_to_names(resolver: Resolver) -> None:
    assert (await resolver.ptr(ip_address("192.0.2.1"))).records == ("plain.example",)
    assert not (await resolver.ptr(ip_address("2001:db8::9"))).exists


@pytest.mark.parametrize("fault", ["SERVFAIL", "REFUSED", "GARBAGE", "TIMEOUT"])
@pytest.mark.parametrize("real", [False, True])
async def test_what_nobody_tells_is_temporary(fault: str, real: bool, zone_server: ZoneServer) -> None:
    zone = zone_server.zone = Zone(f"broken.example {fault}")
    resolver: Resolver = zone
    if real:
        resolver = CachingResolver(
            [NameServer("127.0.0.1", zone_server.port)], ResolverLimits(question=0.1, lookup=5.0)
        )
    with pytest.raises(Temporary, match=r"broken\.example"):
        await resolver.mx("broken.example")
    assert not (await resolver.mx("another.example")).exists
