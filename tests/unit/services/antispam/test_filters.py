"""Every filter has messages that it hits and messages that it must leave alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from libs.envelope import Peer, Temporary
from services.antispam.chain import CHAIN
from services.antispam.filtering.context import LookupSettings
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import plan
from services.antispam.policy.policy import Policy
from services.antispam.policy.rules import KeywordRule, LogicRule
from tests.servers.zone import Zone
from tests.specimens.antispam import (
    NOW,
    ZONE,
    a_context,
    a_message,
    a_rulebook,
    a_view,
    an_environment,
)
from tests.specimens.filter_cases import (
    BOOKS,
    COMPLAINTS,
    HITS,
    MISSES,
    SIGNED_IN,
    complained_about,
    helo,
    to,
)

STEPS = {step.name: step for step in CHAIN}


def ids(rows: list[Any]) -> list[str]:
    return [f"{name}: {word}" for name, word, *_ in rows]


@pytest.mark.parametrize(("name", "word", "raw", "fields"), HITS, ids=ids(HITS))
async def test_hits(name: str, word: str, raw: bytes | None, fields: dict[str, Any]) -> None:
    report = await STEPS[name].check(a_view(raw, **fields), a_context())
    assert report.outcome == "hit"
    assert report.reason.isprintable()


@pytest.mark.parametrize(("name", "word", "raw", "fields"), MISSES, ids=ids(MISSES))
async def test_misses(name: str, word: str, raw: bytes | None, fields: dict[str, Any]) -> None:
    assert (await STEPS[name].check(a_view(raw, **fields), a_context())).outcome == "miss"


@pytest.mark.parametrize("name", BOOKS)
@pytest.mark.parametrize("of_domain", [False, True])
async def test_what_administrators_listed_hits_and_nothing_else(name: str, of_domain: bool) -> None:
    books = (a_rulebook(), BOOKS[name]) if of_domain else (BOOKS[name],)
    check = STEPS[name].check
    assert (await check(a_view(), a_context(*books))).outcome == "hit"
    other = {"peer": Peer(address="198.51.100.1"), "mail_from": "luc@other.example"}
    stranger = a_message("nothing", **{"from": "luc@other.example", "subject": "hello"})
    assert (await check(a_view(stranger, **other), a_context(*books))).outcome == "miss"


async def test_a_whitelist_says_whether_it_was_the_envelope_or_the_header() -> None:
    check, book = STEPS["sender_whitelist"].check, BOOKS["sender_whitelist"]
    header_only = {"mail_from": "bounce@other.example"}
    assert (await check(a_view(), a_context(book))).reason == "envelope sender, listed as elsewhere.example"
    assert (await check(a_view(**header_only), a_context(book))).reason == "From header, listed as elsewhere.example"
    strict = a_context(book, policy=Policy(whitelist_from_header=False))
    assert (await check(a_view(**header_only), strict)).outcome == "miss"
    two = a_message(**{"from": "x@evil.example, jean@elsewhere.example"})
    assert (await check(a_view(two, **header_only), a_context(book))).outcome == "miss"


async def test_a_signed_in_user_is_not_judged_by_the_address_of_the_client() -> None:
    for name in ("ip_whitelist", "ip_blacklist"):
        assert (await STEPS[name].check(a_view(**SIGNED_IN), a_context(BOOKS[name]))).outcome == "miss"


async def test_a_blacklisted_peer_hits_until_its_time_is_over() -> None:
    environment = an_environment()
    context = a_context(environment=environment)
    outcomes = []
    for until in (NOW.replace(hour=13), NOW):
        environment.peers.refuse("::ffff:192.0.2.1", until, "honeypot", NOW)  # type: ignore[attr-defined]
        outcomes.append((await STEPS["cached_peer"].check(a_view(), context)).outcome)
    assert outcomes == ["hit", "miss"]


async def test_the_same_message_counts_by_recipients_and_redelivery_counts_once() -> None:
    check, context = STEPS["checksum"].check, a_context()
    copies = [
        a_message(f"Dear {who}@example.org, buy 1{n} of our watches today" + " words" * 20)
        for n, who in enumerate("abc")
    ]
    outcomes = [
        (await check(a_view(raw, id=str(n)), context)).outcome
        for n, raw in enumerate([copies[0], *copies[1:], copies[2]])
    ]
    assert outcomes == ["miss", "miss", "hit", "hit"]
    again = a_context()
    assert [(await check(a_view(copies[0], id="same"), again)).outcome for _ in range(5)] == ["miss"] * 5
    crowd = to(*(f"m{n}@example.org" for n in range(3)))
    assert (await check(a_view(a_message("another text altogether" * 9), **crowd), a_context())).outcome == "hit"
    assert (await check(a_view(a_message("ours" * 99), **{**crowd, **SIGNED_IN}), a_context())).outcome == "miss"


async def test_keywords_add_up_the_scores_of_their_rules_in_every_area() -> None:
    rules: dict[str, Any] = {
        "in-subject": KeywordRule(pattern="^the minutes", area="subject", score=1),
        "in-headers": KeywordRule(pattern=r"(?m)^Message-ID: <1@", area="headers", score=2),
        "in-body": KeywordRule(pattern="Tuesday", score=-0.5),
        "off": KeywordRule(pattern="Tuesday", score=50, enabled=False),
        "not-there": KeywordRule(pattern="Wednesday", score=50),
    }
    report = await STEPS["keywords"].check(a_view(), a_context(a_rulebook(rules=rules)))
    assert report.strength == 2.5
    assert report.rules == ("in-subject", "in-headers", "in-body")


@pytest.mark.parametrize(("name", "subject"), COMPLAINTS.items())
async def test_what_recipients_complained_about_hits_its_mail_and_no_other(name: str, subject: Any) -> None:
    check, context = STEPS[name].check, complained_about(*subject)
    stranger = {"peer": Peer(address="198.51.100.1"), "mail_from": "luc@other.example"}
    assert (await check(a_view(), context)).outcome == "hit"
    other = a_view(a_message(**{"from": "luc@other.example"}), **stranger)
    assert (await check(other, context)).outcome == "miss"
    signed_in = {"mail_from": "jean@elsewhere.example", **SIGNED_IN}
    assert (await check(a_view(**signed_in), context)).outcome == "miss"


async def test_complaints_weigh_more_with_every_complainant_and_an_ipv6_customer_is_one_network() -> None:
    context = complained_about("peer", "2001:db8::/64", complainants=3)
    report = await STEPS["ip_complaints"].check(a_view(peer=Peer(address="2001:db8::7")), context)
    assert (report.outcome, report.strength) == ("hit", 1.5)
    crowd = complained_about("peer", "192.0.2.1", complainants=50)
    assert (await STEPS["ip_complaints"].check(a_view(), crowd)).strength == 2.0


async def test_only_a_whitelist_beats_complaints_about_a_sender() -> None:
    context = complained_about("sender", "jean@elsewhere.example")
    steps = plan(CHAIN, Policy(filters={"sender_complaints": False}))
    judgement = await Runner(CHAIN).run(a_view(), context, steps)
    assert judgement.ended_by is not None
    assert judgement.ended_by.step.name == "sender_complaints"
    known = complained_about("sender", "once@elsewhere.example")
    judgement = await Runner(CHAIN).run(a_view(mail_from="once@elsewhere.example"), known, steps)
    assert judgement.ended_by is None
    assert judgement.score < 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 1000,
        b"From: " + b"(" * 5000 + b"\r\n\r\n",
        b"From: a@" + b"." * 5000 + b"\r\n\r\n",
        b"Subject: " + b"=?utf-8?b?" * 1000 + b"\r\n\r\n",
        b"Content-Type: text/html\r\n\r\n" + b"<a href=" * 20_000,
        b"Content-Type: text/html\r\n\r\n" + b"<!--" * 20_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 3000,
        b"Date: Thu, 99 Jan 999999999 99:99:99 +9999\r\nReceived: by " + b"b" * 10_000 + b"\r\n\r\n",
        b"Subject: " + b"a" * 50_000 + b"!\r\n\r\n" + b"a" * 200_000 + b"!",
        bytes(range(256)) * 200,
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_no_filter_raises_whatever_a_stranger_sends(raw: bytes) -> None:
    rules: dict[str, Any] = {
        "bomb": KeywordRule(pattern="(a+)+$"),
        "logic": LogicRule(expression="size > 1 and subject != author"),
    }
    context = a_context(a_rulebook(white=("x.example",), black=("y.example",), rules=rules))
    view = a_view(raw, mail_from="@" * 300, peer=Peer(address="no address", helo="\0\r\n" + "x" * 500))
    for step in CHAIN:
        report = await step.check(view, context)
        assert report.outcome in ("hit", "miss"), step.name
        assert report.reason.isprintable()


SILENT = {"mail_from": "jean@silent.example"}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("spf", SILENT),
        ("invalid_mx", SILENT),
        ("dnsbl", helo("x", address="192.0.2.68")),  # the list does not want to be asked by us
        ("dnsbl", helo("x", address="192.0.2.69")),
        ("helo", helo("silent.example")),
    ],
)
async def test_a_question_that_nobody_answers_is_temporary_and_says_why(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Temporary, match=r"silent\.example|one\.bl\.example"):
        await STEPS[name].check(a_view(**fields), a_context())


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


async def test_an_address_without_mx_counts_as_much_as_administrators_say() -> None:
    view, check = a_view(mail_from="jean@without-mx.example"), STEPS["invalid_mx"].check
    assert (await check(view, a_context())).strength == 0.5
    none = replace(an_environment(), lookups=LookupSettings(address_without_mx=0))
    assert (await check(view, a_context(environment=none))).outcome == "miss"


async def test_our_own_machines_and_people_cost_no_question() -> None:
    for fields in (SIGNED_IN, helo("x", address="127.0.0.1")):
        zone = Zone(ZONE)
        context, view = a_context(environment=an_environment(zone=zone)), a_view(**fields)
        for step in CHAIN:
            assert step.needs_lookup is None or not step.needs_lookup(view, context), step.name
            await step.check(view, context)
        assert zone.asked == []
