"""For every filter messages that it hits, and messages that it must leave alone."""

from __future__ import annotations

from typing import Any, Literal

from libs.envelope import Finding, Peer, Recipient
from services.antispam.policy.rules import ExceptionRule, KeywordRule, LogicRule
from services.antispam.reputation.complaints import ComplaintSubject
from tests.specimens.antispam import a_context, a_message, a_rulebook, an_environment, html, multipart

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
    ("spf_strict", "not from there", None, {"mail_from": "boss@forged.example"}),
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
    ("spf_strict", "softfail", None, {"mail_from": "boss@wary.example"}),
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


# What administrators entered: it hits the plain honest message.
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


def complained_about(kind: Literal["peer", "sender", "domain"], value: str, complainants: int = 2) -> Any:
    environment = an_environment()
    environment.complaints.replace({ComplaintSubject(kind, value): complainants})  # type: ignore[attr-defined]
    return a_context(environment=environment)


COMPLAINTS: dict[str, tuple[Literal["peer", "sender", "domain"], str]] = {
    "ip_complaints": ("peer", "192.0.2.1"),
    "sender_complaints": ("sender", "jean@elsewhere.example"),
    "domain_complaints": ("domain", "elsewhere.example"),
}
