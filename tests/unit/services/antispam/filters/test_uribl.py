"""Messages that `uribl` hits, and messages that it leaves alone."""

from __future__ import annotations

from dataclasses import replace

from libs.envelope import Temporary
from services.antispam.filtering.context import LookupSettings
from tests.servers.zone import Zone
from tests.specimens.antispam import ZONE, a_context, a_message, a_view, an_environment, html
from tests.specimens.filter_cases import STEPS, Case, filter_tests, helo

HITS = (
    Case("uribl", "a link", html('<a href="https://buy.PILLS.example./now">see</a>')),
    Case("uribl", "plain text", a_message("see http://user@www.casino.co.uk:8080/ now")),
    Case("uribl", "the author", a_message(**{"from": "x@mail.pills.example"})),
    Case("uribl", "the envelope sender", None, {"mail_from": "x@pills.example"}),
    Case("uribl", "an answer's address", html('<a href="mailto:x@pills.example?subject=y">write</a>')),
)
MISSES = (
    Case("uribl", "its own links", html('<a href="https://www.elsewhere.example/pills.example">see</a>')),
    Case("uribl", "a machine of ours", html('<a href="http://pills.example">see</a>'), helo("x", address="127.0.0.1")),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_lists_that_do_not_answer_matter_only_where_they_could_make_the_difference() -> None:
    raw = a_message("see http://pills.example/ now")
    answers: dict[str, str] = {}
    for zones in (
        ["one"],
        ["one", "two"],
        ["one", "two", "three"],
        ["one", "mute"],
        ["two", "mute"],
        ["two", "x", "mute"],
    ):
        environment = an_environment(zone=Zone(f"{ZONE}\npills.example.mute.bl.example SERVFAIL"))
        lists = LookupSettings(uribl=tuple(f"{zone}.bl.example" for zone in zones))
        context = a_context(environment=replace(environment, lookups=lists))
        try:
            answers[" ".join(zones)] = (await STEPS["uribl"].check(a_view(raw), context)).outcome
        except Temporary:
            answers[" ".join(zones)] = "open"
    assert answers == {
        "one": "hit", "one two": "hit", "one two three": "miss",
        "one mute": "hit", "two mute": "open", "two x mute": "miss",
    }  # fmt: skip


async def test_a_message_of_a_thousand_links_asks_about_a_few_domains_and_each_once() -> None:
    zone = Zone(ZONE)
    environment = replace(an_environment(zone=zone), lookups=LookupSettings(uribl=("one.bl.example",), domains_limit=5))
    urls = " ".join(f"http://a{n % 7}.site{n % 90}.example/{n}" for n in range(1000))
    await STEPS["uribl"].check(a_view(a_message(urls)), a_context(environment=environment))
    assert sorted(zone.asked) == [(f"site{n}.example.one.bl.example", "A") for n in range(5)]
