"""Where mail for a domain goes, by its zone (RFC 5321 5.1, RFC 7505)."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from libs.dns import DnsAnswer
from libs.envelope import Permanent, Temporary
from services.relay.adapters.mx import MAX_EXCHANGERS, MailExchangers
from tests.servers.zone import Zone

ZONE = Zone("""
two.example      MX   20 b.example.
two.example      MX   10 a.example.
a.example        A    192.0.2.1
a.example        AAAA 2001:db8::1
b.example        A    192.0.2.2
ghost.example    MX   10 missing.example.
ghost.example    MX   20 b.example.
plain.example    A    192.0.2.3
ours.example     MX   10 a.example.
ours.example     MX   20 us.example.
ours.example     MX   20 b.example.
back.example     MX   10 us.example.
us.example       A    192.0.2.9
null.example     MX   0 .
empty.example    TXT  "neither MX nor address"
broken.example   SERVFAIL
half.example     MX   10 broken.example.
beside.example   MX   10 broken.example.
beside.example   MX   20 b.example.
v4.example       MX   10 only4.example.
only4.example    A    192.0.2.4
same1.example    MX   10 b.example.
same1.example    MX   20 a.example.
same2.example    MX   10 b.example.
inside.example   MX   10 loop.example.
loop.example     A    127.0.0.1
loop.example     AAAA ::1
mixed.example    MX   10 loop.example.
mixed.example    MX   20 public.example.
public.example   A    198.41.0.4
mapped.example   AAAA ::ffff:10.0.0.1
nat64.example    AAAA 64:ff9b::a9fe:a9fe
""")
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
EXCHANGERS = MailExchangers(ZONE, smtp_port=25, own_name="us.example", private_networks=ANYWHERE)


@pytest.mark.parametrize(
    ("domain", "addresses"),
    [
        ("two.example", ["192.0.2.1", "2001:db8::1", "192.0.2.2"]),
        ("ghost.example", ["192.0.2.2"]),  # an exchanger that does not exist gives way to the next
        ("plain.example", ["192.0.2.3"]),
        ("ours.example", ["192.0.2.1", "2001:db8::1"]),  # nothing at or behind our own place
        ("[192.0.2.7]", ["192.0.2.7"]),
        ("[IPv6:2001:db8::7]", ["2001:db8::7"]),
    ],
)
async def test_hosts_stand_in_the_order_to_try(domain: str, addresses: list[str]) -> None:
    assert [host.address for host in (await EXCHANGERS.route(domain)).hosts] == addresses


@pytest.mark.parametrize(
    ("domain", "reason"),
    [
        ("nowhere.example", r"5\.1\.2 there is no domain"),
        ("null.example", r"5\.1\.10 null\.example takes no mail"),
        ("back.example", r"5\.4\.6 back\.example leads back to us"),
        ("empty.example", r"5\.4\.4 no address"),
    ],
)
async def test_mail_that_can_go_nowhere_goes_back(domain: str, reason: str) -> None:
    with pytest.raises(Permanent, match=reason):
        await EXCHANGERS.route(domain)


@pytest.mark.parametrize("domain", ["broken.example", "half.example"])
async def test_mail_waits_for_dns(domain: str) -> None:
    with pytest.raises(Temporary, match=r"4\.4\.3 DNS .* broken\.example"):
        await EXCHANGERS.route(domain)


async def test_equal_exchangers_share_the_mail() -> None:
    zone = Zone(
        "many.example MX 10 a.example.\nmany.example MX 10 b.example.\na.example A 192.0.2.1\nb.example A 192.0.2.2"
    )
    exchangers = MailExchangers(zone, smtp_port=25, own_name="us.example", private_networks=ANYWHERE)
    assert {(await exchangers.route("many.example")).hosts[0].address for _ in range(100)} == {"192.0.2.1", "192.0.2.2"}


async def test_one_exchanger_that_cannot_be_looked_up_does_not_hide_the_others() -> None:
    assert [host.address for host in (await EXCHANGERS.route("beside.example")).hosts] == ["192.0.2.2"]


async def test_a_failing_look_up_of_ipv6_does_not_hide_the_address_that_is_known() -> None:
    class NoIpv6(Zone):
        async def aaaa(self, name: str) -> DnsAnswer[IPv6Address]:
            raise Temporary(f"DNS AAAA {name}: SERVFAIL")

    zone = NoIpv6("v4.example MX 10 only4.example.\nonly4.example A 192.0.2.4")
    exchangers = MailExchangers(zone, smtp_port=25, own_name="us.example", private_networks=ANYWHERE)
    assert [host.address for host in (await exchangers.route("v4.example")).hosts] == ["192.0.2.4"]


async def test_an_endless_list_of_exchangers_is_cut_and_asked_for_at_once() -> None:
    class Counting(Zone):
        running = most = 0

        async def a(self, name: str) -> DnsAnswer[IPv4Address]:
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0.01)
            self.running -= 1
            return await super().a(name)

    zone = Counting("\n".join(
        f"big.example MX {n} mx{n}.example.\nmx{n}.example A 192.0.2.{n}" for n in range(200)
    ))  # fmt: skip
    exchangers = MailExchangers(zone, smtp_port=25, own_name="us.example", private_networks=ANYWHERE)
    route = await exchangers.route("big.example")
    assert [host.name for host in route.hosts] == [f"mx{n}.example" for n in range(MAX_EXCHANGERS)]
    assert zone.most == MAX_EXCHANGERS


async def test_domains_whose_mail_goes_to_the_same_servers_first_are_one_site() -> None:
    mx_groups = [
        (await EXCHANGERS.route(domain)).mx_group for domain in ("same1.example", "same2.example", "two.example")
    ]
    assert mx_groups == ["b.example", "b.example", "a.example"]


@pytest.mark.parametrize(
    "domain",
    ["inside.example", "mapped.example", "nat64.example", "[127.0.0.1]", "[IPv6:::1]", "[IPv6:::ffff:127.0.0.1]",
     "[169.254.169.254]", "[10.1.2.3]", "[IPv6:fe80::1]", "[0.0.0.0]", "[224.0.0.1]"],
)  # fmt: skip
async def test_mail_does_not_leave_into_networks_that_are_not_of_the_internet(domain: str) -> None:
    with pytest.raises(Permanent, match=r"5\.4\.4 .* not of the internet"):
        await MailExchangers(ZONE, smtp_port=25, own_name="us.example").route(domain)


async def test_an_exchanger_inside_is_passed_over_for_one_outside() -> None:
    route = await MailExchangers(ZONE, smtp_port=25, own_name="us.example").route("mixed.example")
    assert [host.address for host in route.hosts] == ["198.41.0.4"]


async def test_a_private_network_may_be_allowed() -> None:
    inside = MailExchangers(ZONE, smtp_port=25, own_name="us.example", private_networks=[ip_network("127.0.0.0/8")])
    assert [host.address for host in (await inside.route("inside.example")).hosts] == ["127.0.0.1"]
    assert (await inside.route("[127.0.0.1]")).hosts[0].address == "127.0.0.1"
