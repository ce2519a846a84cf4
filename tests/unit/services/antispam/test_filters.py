"""Every filter has messages that it hits and messages that it must leave alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from libs.envelope import Finding, Peer, Recipient, Temporary
from services.antispam.chain import CHAIN
from services.antispam.domain.complaints import Subject
from services.antispam.domain.judging import Runner
from services.antispam.domain.lookups import Lookups
from services.antispam.domain.policy import Policy
from services.antispam.domain.rules import ExceptionRule, KeywordRule, LogicRule
from services.antispam.domain.steps import plan
from tests.servers.zone import Zone
from tests.specimens.antispam import (
    NOW,
    ZONE,
    a_context,
    a_message,
    a_rulebook,
    a_view,
    html,
    multipart,
    some_knowledge,
)

STEPS = {step.name: step for step in CHAIN}
SIGNED_IN: dict[str, Any] = {"listener": "submission", "peer": Peer(address="192.0.2.1", helo="x", account="m@a.b")}
NOTICE = {"content_type": 'multipart/report; report-type="delivery-status"; boundary=b'}
PLAIN = "Content-Type: text/plain\r\n\r\nsome words"
HTML = "Content-Type: text/html\r\n\r\n<p>some words</p>"
ELSEWHERE = "https://elsewhere.example/login"


def found(engine: str) -> dict[str, Any]:
    return {"findings": (Finding(stage="antivirus", name=engine, outcome="spam"),)}


def helo(name: str, **peer: Any) -> dict[str, Any]:
    return {"peer": Peer(**{"address": "192.0.2.1", "helo": name, **peer})}


def to(*addresses: str) -> dict[str, Any]:
    return {"recipients": tuple(Recipient(address=address, domain="example.org") for address in addresses)}


def alone(**fields: Any) -> dict[str, Any]:
    return {"recipients": (Recipient(**{"address": "marie@example.org", "domain": "example.org", **fields}),)}


# filter, what is special, raw message (None: a plain honest one), fields of the envelope
HITS: list[tuple[str, str, bytes | None, dict[str, Any]]] = [
    ("greylisting", "it waited", None, alone(screened="passed after 312 s")),
    ("honeypot", "among others", None, alone(address="x@example.org", purpose="honeypot")),
    ("automatic_whitelist", "validated", None, {"mail_from": "Validated@elsewhere.example"}),
    ("automatic_whitelist", "the author", a_message(**{"from": "once@elsewhere.example"}), {}),
    ("no_sender", "no notification", None, {"mail_from": ""}),
    ("no_sender", "several recipients", a_message(**NOTICE), {"mail_from": "", **to("a@b.c", "d@b.c")}),
    ("same_sender_recipient", "envelope", None, {"mail_from": "Marie@example.org"}),
    ("same_sender_recipient", "author", a_message(**{"from": "marie@EXAMPLE.org"}), {}),
    ("empty_message", "nothing at all", b"", {}),
    ("empty_message", "a subject only", a_message(" \r\n\r\n"), {}),
    ("empty_message", "tags without text", html("<html><body><p>&nbsp;</p></body></html>"), {}),
    (
        "attachment_fingerprint",
        "known",
        None,
        found("fingerprint"),
    ),
    ("cyrillic", "a letter", a_message("Здравствуйте, дорогая Мария"), {}),
    ("cyrillic", "the subject", a_message("hi", subject="=?utf-8?b?0JfQtNGA0LDQstGB0YLQstGD0LnRgtC1?="), {}),
    ("han", "a letter", a_message("亲爱的玛丽，这是会议记录"), {}),
    ("helo", "our own name", None, helo("MX.example.org.")),
    ("helo", "a bare address", None, helo("192.0.2.1")),
    ("helo", "somebody else's address", None, helo("[192.0.2.2]")),
    ("helo", "no dot", None, helo("friend")),
    ("helo", "nothing", None, helo("")),
    ("helo", "no host name", None, helo("<script>.example")),
    ("helo", "somebody else's name", None, helo("www.example.com", address="192.0.2.2")),
    ("helo", "a name that leads elsewhere", None, helo("mail.elsewhere.example", address="192.0.2.67")),
    ("spf", "not from there", None, {"mail_from": "boss@forged.example"}),
    ("spf", "HELO for the null sender", None, {"mail_from": "", **helo("forged.example")}),
    ("spf_softfail", "not quite", None, {"mail_from": "boss@wary.example"}),
    ("spf_permerror", "no network", None, {"mail_from": "boss@wrong.example"}),
    ("spf_none", "no record", None, {"mail_from": "boss@deaf.example"}),
    ("spf_none", "neutral", None, {"mail_from": "boss@vague.example"}),
    ("reverse_dns", "no name", None, helo("x", address="192.0.2.2")),
    ("reverse_dns", "no name in IPv6", None, helo("x", address="2001:db8::2")),
    ("reverse_dns", "the name of another", None, helo("x", address="192.0.2.67")),
    ("invalid_mx", "no such domain", None, {"mail_from": "jean@nowhere.example"}),
    ("invalid_mx", "no mail wanted", None, {"mail_from": "jean@deaf.example"}),
    ("invalid_mx", "an address alone", None, {"mail_from": "jean@without-mx.example"}),
    ("invalid_mx", "a name without either", None, {"mail_from": "jean@forged.example"}),
    ("invalid_mx", "an address literal", None, {"mail_from": "jean@[192.0.2.1]"}),
    ("dnsbl", "one of two", None, helo("x", address="192.0.2.66")),
    ("dnsbl", "in nibbles", None, helo("x", address="2001:db8::66")),
    ("uribl", "a link", html('<a href="https://buy.PILLS.example./now">see</a>'), {}),
    ("uribl", "plain text", a_message("see http://user@www.casino.co.uk:8080/ now"), {}),
    ("uribl", "the author", a_message(**{"from": "x@mail.pills.example"}), {}),
    ("uribl", "the envelope sender", None, {"mail_from": "x@pills.example"}),
    ("uribl", "an answer's address", html('<a href="mailto:x@pills.example?subject=y">write</a>'), {}),
    ("duplicate_headers", "two authors", a_message(TEXT := "x", "From: boss@example.org"), {}),
    ("duplicate_headers", "two subjects", a_message(TEXT, "Subject: another"), {}),
    ("duplicate_headers", "two domains", a_message(**{"from": "a@x.example, b@y.example"}), {}),
    ("forged_received", "our name", a_message(TEXT, "Received: from a by mx.example.org; now"), {}),
    ("disguised_author", "an address", a_message(**{"from": '"boss@example.org" <x@elsewhere.example>'}), {}),
    ("disguised_link", "another site", html(f'<a href="{ELSEWHERE}">https://www.bank.example.com/</a>'), {}),
    ("hidden_characters", "zero widths", a_message("v\u200bi\u200ba\u200bgra"), {}),
    ("hidden_characters", "two scripts", a_message("p\u0430ypal p\u0430ypal p\u0430ypal"), {}),
    ("broken_form", "NUL", a_message("x", "X-Y: a\0b"), {}),
    ("broken_form", "no boundary", a_message("x", content_type="multipart/mixed"), {}),
    ("missing_from", "none", a_message(without=("From",)), {}),
    ("missing_from", "no address", a_message(**{"from": "Jean"}), {}),
    ("missing_date", "none", a_message(without=("Date",)), {}),
    ("wrong_date", "no date", a_message(date="yesterday"), {}),
    ("wrong_date", "no such day", a_message(date="Thu, 31 Feb 2026 11:00:00 +0000"), {}),
    ("wrong_date", "next year", a_message(date="Fri, 01 Jan 2027 11:00:00 +0000"), {}),
    ("missing_message_id", "none", a_message(without=("Message-ID",)), {}),
    ("missing_message_id", "no form", a_message(message_id="12345"), {}),
    ("missing_recipients", "none", a_message(without=("To",)), {}),
    ("html_only", "no text", html("<p>some words</p>"), {}),
    ("html_only", "an empty text", multipart("Content-Type: text/plain\r\n\r\n \r\n", HTML), {}),
    ("image_only", "no words", html('<a href="http://a.example"><img src="http://a.example/x.png"></a>'), {}),
    ("click_here", "English", html('<a href="http://a.example">Click <b>here</b> now!</a>'), {}),
    ("click_here", "French", html('<a href="http://a.example">&gt;&gt; Cliquez ici</a>'), {}),
    ("shouting_subject", "capitals", a_message(subject="YOU HAVE WON THE LOTTERY"), {}),
    ("shouting_subject", "marks", a_message(subject="you have won!!!"), {}),
]
MISSES: list[tuple[str, str, bytes | None, dict[str, Any]]] = [
    ("greylisting", "of another domain", None, alone(screened="passed", domain="example.com")),
    ("honeypot", "a trainer", None, alone(purpose="training")),
    ("automatic_whitelist", "a stranger", None, {}),
    ("automatic_whitelist", "our own domain", None, {"mail_from": "boss@example.org"}),
    ("automatic_whitelist", "signed in", None, {"mail_from": "validated@elsewhere.example", **SIGNED_IN}),
    ("no_sender", "a delivery report", a_message(**NOTICE), {"mail_from": ""}),
    ("no_sender", "an automatic answer", a_message("x", "Auto-Submitted: auto-replied"), {"mail_from": ""}),
    ("no_sender", "an old bounce", a_message(**{"from": "MAILER-DAEMON@elsewhere.example"}), {"mail_from": ""}),
    ("same_sender_recipient", "signed in", None, {"mail_from": "marie@example.org", **SIGNED_IN}),
    ("same_sender_recipient", "a list", a_message("x", "List-Id: <l.example>", **{"from": "marie@example.org"}), {}),
    ("empty_message", "an image", html('<img src="cid:1">'), {}),
    ("empty_message", "a file", multipart("Content-Type: application/pdf\r\n\r\n%PDF", subtype="mixed"), {}),
    ("attachment_fingerprint", "another engine", None, found("clamd")),
    ("cyrillic", "a name in passing", a_message("our colleague Иван sends his best wishes to everybody"), {}),
    ("han", "Cyrillic", a_message("Здравствуйте, дорогая Мария"), {}),
    ("helo", "its own address", None, helo("[192.0.2.1]")),
    ("helo", "its own IPv6 address", None, helo("[IPv6:2001:db8::1]", address="2001:db8::1")),
    ("helo", "its own name", None, helo("mx.elsewhere.example")),
    ("helo", "the confirmed name's domain", None, helo("mail.elsewhere.example")),
    ("spf", "from there", None, {}),
    ("spf", "a machine of ours", None, {"mail_from": "boss@forged.example", **helo("x", address="127.0.0.1")}),
    ("spf", "signed in", None, {"mail_from": "boss@forged.example", **SIGNED_IN}),
    ("spf", "softfail", None, {"mail_from": "boss@wary.example"}),
    ("spf_softfail", "pass", None, {}),
    ("spf_softfail", "signed in", None, {"mail_from": "boss@wary.example", **SIGNED_IN}),
    ("spf_permerror", "pass", None, {}),
    ("spf_permerror", "signed in", None, {"mail_from": "boss@wrong.example", **SIGNED_IN}),
    ("spf_none", "pass", None, {}),
    ("spf_none", "signed in", None, {"mail_from": "boss@deaf.example", **SIGNED_IN}),
    ("reverse_dns", "confirmed", None, {}),
    ("reverse_dns", "a machine of ours", None, helo("x", address="127.0.0.2")),
    ("invalid_mx", "a good one", None, {}),
    ("invalid_mx", "the null sender", None, {"mail_from": ""}),
    ("invalid_mx", "a machine of ours", None, {"mail_from": "a@nowhere.example", **helo("x", address="127.0.0.1")}),
    ("dnsbl", "on none", None, {}),
    ("dnsbl", "a list that became a parked domain", None, helo("x", address="192.0.2.67")),
    ("uribl", "its own links", html('<a href="https://www.elsewhere.example/pills.example">see</a>'), {}),
    ("uribl", "a machine of ours", html('<a href="http://pills.example">see</a>'), helo("x", address="127.0.0.1")),
    ("helo", "a machine of ours", None, helo("friend", address="127.0.0.1")),
    ("helo", "a signed-in client", None, SIGNED_IN),
    ("duplicate_headers", "two received", a_message("x", "Received: a", "Received: b"), {}),
    (
        "duplicate_headers",
        "a sender for two",
        a_message("x", "Sender: a@x.example", **{"from": "a@x.example, b@y.example"}),
        {},
    ),
    ("forged_received", "further down", a_message("x", "Received: by a.example", "Received: by mx.example.org"), {}),
    (
        "forged_received",
        "a machine of ours",
        a_message("x", "Received: by mx.example.org"),
        helo("a", address="127.0.0.1"),
    ),
    (
        "disguised_author",
        "its own address",
        a_message(**{"from": '"jean@elsewhere.example" <jean@elsewhere.example>'}),
        {},
    ),
    ("disguised_link", "a click counter", html('<a href="https://click.example.com/1">www.example.com</a>'), {}),
    ("disguised_link", "words", html(f'<a href="{ELSEWHERE}">read on. And more</a>'), {}),
    ("hidden_characters", "a soft hyphen", a_message("Donau\u00addampfschiff"), {}),
    ("hidden_characters", "Persian", a_message("می\u200cخواهم می\u200cخواهم می\u200cخواهم"), {}),
    ("broken_form", "Latin-1 in the subject", a_message("x").replace(b"minutes", b"r\xe9sum\xe9"), {}),
    ("missing_from", "a bare address", a_message(**{"from": "jean@elsewhere.example"}), {}),
    ("missing_date", "signed in", a_message(without=("Date",)), SIGNED_IN),
    ("wrong_date", "years ago", a_message(date="1 Jan 1999 11:00:00 -0800 (PST)"), {}),
    ("wrong_date", "two digits", a_message(date="Thu, 1 Jan 26 11:00 GMT"), {}),
    ("missing_message_id", "signed in", a_message(without=("Message-ID",)), SIGNED_IN),
    ("missing_recipients", "only Cc", a_message("x", "Cc: m@example.org", without=("To",)), {}),
    ("html_only", "both", multipart(PLAIN, HTML), {}),
    ("image_only", "a picture in a text", html('<img src="a">' + "some words " * 20), {}),
    ("click_here", "in prose", html('Click here: <a href="http://a.example">the minutes</a>'), {}),
    ("shouting_subject", "an abbreviation", a_message(subject="RE: RFC 5322 and MIME"), {}),
]


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


BOOKS = {
    "ip_whitelist": a_rulebook(white=("192.0.2.0/24", "2001:db8::/32")),
    "ip_blacklist": a_rulebook(black=("192.0.2.1",)),
    "sender_whitelist": a_rulebook(white=("elsewhere.example",)),
    "sender_blacklist": a_rulebook(black=("JEAN@elsewhere.example",)),
    "keywords": a_rulebook(rules={"k": KeywordRule(pattern="(?i)minutes of OUR", score=3)}),
    "keyword_exceptions": a_rulebook(
        rules={"e": ExceptionRule(pattern="meeting", area="subject", spares=("keywords",))}
    ),
    "logic": a_rulebook(rules={"l": LogicRule(expression='author_domain == "elsewhere.example" and size < 9999')}),
}


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
    knowledge = some_knowledge()
    context = a_context(knowledge=knowledge)
    outcomes = []
    for until in (NOW.replace(hour=13), NOW):
        knowledge.peers.refuse("::ffff:192.0.2.1", until, "honeypot", NOW)  # type: ignore[attr-defined]
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


def complained_about(kind: Literal["peer", "sender", "domain"], value: str, complainants: int = 2) -> Any:
    knowledge = some_knowledge()
    knowledge.complaints.replace({Subject(kind, value): complainants})  # type: ignore[attr-defined]
    return a_context(knowledge=knowledge)


COMPLAINTS: dict[str, tuple[Literal["peer", "sender", "domain"], str]] = {
    "ip_complaints": ("peer", "192.0.2.1"),
    "sender_complaints": ("sender", "jean@elsewhere.example"),
    "domain_complaints": ("domain", "elsewhere.example"),
}


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


OUTSIDE = ("spamassassin", "rspamd", "image_text", "image_fingerprint")  # test_outside_filters.py


def test_every_filter_of_the_chain_has_a_case_that_it_hits_and_one_that_it_must_not() -> None:
    in_tables = {row[0] for row in HITS} & {row[0] for row in MISSES}
    own_tests = {*BOOKS, "cached_peer", "checksum", "bayes", "dkim", "arc", "dmarc", *COMPLAINTS, *OUTSIDE}
    assert {step.name for step in CHAIN} <= in_tables | own_tests


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
    raw, answers = a_message("see http://pills.example/ now"), {}
    for zones in (
        ["one"],
        ["one", "two"],
        ["one", "two", "three"],
        ["one", "mute"],
        ["two", "mute"],
        ["two", "x", "mute"],
    ):
        knowledge = some_knowledge(zone=Zone(f"{ZONE}\npills.example.mute.bl.example SERVFAIL"))
        lists = Lookups(uribl=tuple(f"{zone}.bl.example" for zone in zones))
        context = a_context(knowledge=replace(knowledge, lookups=lists))
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
    knowledge = replace(some_knowledge(zone=zone), lookups=Lookups(uribl=("one.bl.example",), domains_limit=5))
    urls = " ".join(f"http://a{n % 7}.site{n % 90}.example/{n}" for n in range(1000))
    await STEPS["uribl"].check(a_view(a_message(urls)), a_context(knowledge=knowledge))
    assert sorted(zone.asked) == [(f"site{n}.example.one.bl.example", "A") for n in range(5)]


async def test_an_address_without_mx_counts_as_much_as_administrators_say() -> None:
    view, check = a_view(mail_from="jean@without-mx.example"), STEPS["invalid_mx"].check
    assert (await check(view, a_context())).strength == 0.5
    none = replace(some_knowledge(), lookups=Lookups(address_without_mx=0))
    assert (await check(view, a_context(knowledge=none))).outcome == "miss"


async def test_our_own_machines_and_people_cost_no_question() -> None:
    for fields in (SIGNED_IN, helo("x", address="127.0.0.1")):
        zone = Zone(ZONE)
        context, view = a_context(knowledge=some_knowledge(zone=zone)), a_view(**fields)
        for step in CHAIN:
            assert step.asks is None or not step.asks(view, context), step.name
            await step.check(view, context)
        assert zone.asked == []
