"""Where mail for a domain goes, by its zone (RFC 5321 5.1, RFC 7505)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from libs.envelope import Permanent, Temporary
from services.relay.adapters.mx import MailExchangers
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
