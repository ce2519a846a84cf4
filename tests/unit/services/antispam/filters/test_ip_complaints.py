"""Messages that `ip_complaints` hits, and messages that it leaves alone."""

from __future__ import annotations

from libs.envelope import Peer
from services.antispam.filtering.context import FilterContext
from tests.specimens.antispam import a_view
from tests.specimens.filter_cases import OTHER, OTHER_WAY, SIGNED_IN, STEPS, Case, complained_about, filter_tests


def complained() -> FilterContext:
    return complained_about("peer", "192.0.2.1")


HITS = (Case("ip_complaints", "complained about", context=complained),)
MISSES = (
    Case("ip_complaints", "another", OTHER, OTHER_WAY, complained),
    Case("ip_complaints", "signed in", None, {"mail_from": "jean@elsewhere.example", **SIGNED_IN}, complained),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_complaints_weigh_more_with_every_complainant_and_an_ipv6_customer_is_one_network() -> None:
    context = complained_about("peer", "2001:db8::/64", complainants=3)
    report = await STEPS["ip_complaints"].check(a_view(peer=Peer(address="2001:db8::7")), context)
    assert (report.outcome, report.strength) == ("hit", 1.5)
    crowd = complained_about("peer", "192.0.2.1", complainants=50)
    assert (await STEPS["ip_complaints"].check(a_view(), crowd)).strength == 2.0
