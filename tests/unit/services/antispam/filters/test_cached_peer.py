"""Messages that `cached_peer` hits, and messages that it leaves alone."""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from tests.specimens.antispam import NOW, a_context, a_view, an_environment
from tests.specimens.filter_cases import OTHER, OTHER_WAY, STEPS, Case, filter_tests


def blacklisted() -> FilterContext:
    environment = an_environment()
    environment.peers.blacklist("192.0.2.1", NOW.replace(hour=13), "honeypot", NOW)  # type: ignore[attr-defined]
    return a_context(environment=environment)


HITS = (Case("cached_peer", "blacklisted", context=blacklisted),)
MISSES = (Case("cached_peer", "another", OTHER, OTHER_WAY, blacklisted),)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_a_blacklisted_peer_hits_until_its_time_is_over() -> None:
    environment = an_environment()
    context = a_context(environment=environment)
    outcomes = []
    for until in (NOW.replace(hour=13), NOW):
        environment.peers.blacklist("::ffff:192.0.2.1", until, "honeypot", NOW)  # type: ignore[attr-defined]
        outcomes.append((await STEPS["cached_peer"].check(a_view(), context)).outcome)
    assert outcomes == ["hit", "miss"]
