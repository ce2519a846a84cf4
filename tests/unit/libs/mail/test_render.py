"""The header fields of delivery, which no sender can forge or inject."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email.message import Message
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.envelope import Envelope, Finding, Peer, Recipient, Tls, Verdict
from libs.mail.encoded_words import decode_words
from libs.mail.headers import Headers
from libs.mail.render import (
    DeliveryHeaders,
    authentication_headers,
    edits,
    growth,
    received,
    rendered,
)
from tests import builders

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
MARIE = Recipient(address="marie@example.org", original="Sales@example.org", domain="example.org")
PEER = Peer(
    address="192.0.2.7",
    helo="mx.example.net",
    reverse_name="out.example.net",
    tls=Tls(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384"),
    protocol="ESMTPSA",
)
VERDICT = Verdict(
    spam=True, score=9.25, required=7.5, action="junk", bayes=0.998, whitelisted="",
    tests=(Finding(stage="antispam", name="bayes", outcome="hit", score=6),
           Finding(stage="antispam", name="keywords", outcome="hit", score=3.25),
           Finding(stage="antispam", name="empty", outcome="pass")),
)  # fmt: skip


def an_envelope(**given: Any) -> Envelope:
    usual = {
        "id": "0123abcd", "received_at": NOON, "peer": PEER, "mail_from": "jean@example.net", "size_bytes": 5,
        "sha256": "0" * 64, "verdicts": {"example.org": VERDICT},
    }  # fmt: skip
    return builders.an_envelope(MARIE, **{**usual, **given})


def delivery_headers(envelope: Envelope, recipient: Recipient, *, hostname: str) -> bytes:
    return DeliveryHeaders(envelope, hostname=hostname).of(recipient)


def read(block: bytes) -> Message:
    return email.message_from_bytes(block + b"\r\n")


def unfolded(message: Message, name: str) -> str:
    return " ".join(message[name].split())


def test_the_block_names_sender_recipient_and_the_way_in_the_order_of_rfc_5321() -> None:
    message = read(delivery_headers(an_envelope(), MARIE, hostname="mail.example.org"))
    assert message.keys()[:3] == ["Return-Path", "Delivered-To", "Received"]
    assert message["Return-Path"] == "<jean@example.net>"
    assert message["Delivered-To"] == "marie@example.org"
    assert unfolded(message, "Received") == (
        "from mx.example.net (out.example.net [192.0.2.7]) by mail.example.org with ESMTPSA id 0123abcd "
        "(TLSv1.3 cipher TLS_AES_256_GCM_SHA384) for <Sales@example.org>; Tue, 01 Jan 2030 12:00:00 +0000"
    )


def test_the_verdict_of_the_recipients_domain_stands_in_the_headers_with_its_tests() -> None:
    message = read(delivery_headers(an_envelope(), MARIE, hostname="h"))
    assert message["X-Spam-Flag"] == "YES"
    assert unfolded(message, "X-Spam-Status") == (
        "Yes, score=9.25 required=7.5 action=junk tests=bayes=6, keywords=3.25"
    )
    assert message["X-Spam-Bayes"] == "0.998"
    assert message["X-Facteur-Id"] == "0123abcd"
    assert message["X-Facteur-Envelope-From"] == "<jean@example.net>"
    assert message["X-Facteur-Envelope-To"] == "Sales@example.org"
    assert message["X-Facteur-Helo"] == "mx.example.net"
    assert message["X-Facteur-Peer"] == "192.0.2.7"


def test_what_antivirus_tags_stands_in_the_headers() -> None:
    seen = [("macro", "tag", "Rapport été.doc"), ("executable", "pass", "setup.exe"), ("builtin", "suspicious", "")]
    findings = [Finding(stage="antivirus", name=name, outcome=what, reason=why) for name, what, why in seen]
    message = read(delivery_headers(an_envelope(findings=(*findings, *findings[:1] * 99)), MARIE, hostname="h"))
    warnings = [decode_words(warning) for warning in message.get_all("X-Facteur-Warning", [])]
    assert warnings == ["macro; Rapport été.doc"] * 10


def test_a_whitelist_gives_its_reason() -> None:
    verdict = Verdict(spam=False, score=0, required=7.5, whitelisted="From header jean@example.net")
    message = read(delivery_headers(an_envelope(verdicts={"example.org": verdict}), MARIE, hostname="h"))
    assert message["X-Spam-Whitelist"] == "From header jean@example.net"
    assert unfolded(message, "X-Spam-Status") == "No, score=0 required=7.5 action=none tests=none"


def test_each_recipient_gets_the_verdict_of_its_own_domain_only() -> None:
    elsewhere = Recipient(address="luc@example.com", domain="example.com")
    blocks = DeliveryHeaders(an_envelope(recipients=(MARIE, elsewhere)), hostname="h")
    assert "X-Spam-Flag" not in read(blocks.of(elsewhere))
    assert b"Sales@" not in blocks.of(elsewhere)
    assert blocks.of(MARIE) == delivery_headers(an_envelope(), MARIE, hostname="h")


def test_a_bounce_has_the_null_path_and_a_message_of_ours_no_peer() -> None:
    message = read(delivery_headers(an_envelope(mail_from="", peer=Peer(protocol="HTTP")), MARIE, hostname="h"))
    assert message["Return-Path"] == "<>"
    assert unfolded(message, "Received").startswith("by h with HTTP id 0123abcd for")
    assert "X-Facteur-Peer" not in message


def test_a_shared_copy_names_no_recipient_and_ipv6_is_a_tagged_literal() -> None:
    block = received(an_envelope(peer=Peer(address="2001:db8::1", helo="[IPv6:2001:db8::1]")), None, hostname="h")
    assert b" for " not in block.replace(b"\t", b" ")
    assert b"from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])" in block


@pytest.mark.parametrize(
    "text",
    ["a\r\nBcc: v@d", "a\nX-Spam-Flag: NO", "a\rb", "nul\0", "helo) by evil (x; for <a@b>", "\udcff", "é", "x" * 3000],
    ids=["crlf", "lf", "cr", "nul", "clauses", "surrogate", "not ascii", "long"],
)
def test_nothing_that_a_peer_says_adds_a_line_or_a_clause_or_stops_the_message(text: str) -> None:
    recipient = Recipient(address=text, original=text, domain="d")
    verdict = Verdict.model_construct(
        spam=False, score=0, required=1, action="none", bayes=None, whitelisted=text,
        tests=(Finding.model_construct(stage="", name=text, outcome="hit", score=1.0),),
    )  # fmt: skip
    envelope = an_envelope().model_copy(
        update={
            "mail_from": text,
            "verdicts": {"d": verdict},
            "peer": PEER.model_copy(update={"helo": text, "reverse_name": text}),
        }
    )
    block = delivery_headers(envelope, recipient, hostname="h")
    names = [name for name, _ in Headers(block + b"\r\n")]
    honest = read(delivery_headers(an_envelope(), MARIE, hostname="h"))
    assert set(names) <= {*honest.keys(), "X-Spam-Whitelist"}
    assert block.isascii()
    assert not block.replace(b"\r\n", b"").count(b"\r")
    assert max(map(len, block.split(b"\r\n"))) <= 998
    assert read(block)["Received"].count("by h with") == 1
    assert "by evil (" not in read(block)["Received"]


FORGED = (
    b"X-Spam-Status: No,\r\n score=-99\r\n"
    b"Received: from a by b\r\n"
    b"x-facteur-id : mine\r\n"
    b"Return-Path: <forged@example.com>\r\n"
    b"Delivered-To: elsewhere@example.com\r\n"
    b"Subject: hello\r\n"
    b"\r\n"
    b"X-Spam-Status: in the body\r\n"
)


def test_forged_fields_of_ours_are_not_read_and_all_else_is() -> None:
    changes = edits(Headers(FORGED))
    seen = rendered(b"X-Spam-Flag: YES\r\n", changes, FORGED)
    assert read(seen).keys() == ["X-Spam-Flag", "Received", "Delivered-To", "Subject"]
    assert seen.endswith(b"\r\n\r\nX-Spam-Status: in the body\r\n")
    assert len(seen) == len(FORGED) + growth(b"X-Spam-Flag: YES\r\n", changes)


AUTHENTICATED = (
    b"Authentication-Results: mail.example.org; spf=pass\r\n"
    b"authentication-results : (c)\r\n MAIL.example.org 1;\r\n dkim=pass\r\n"
    b"Authentication-Results: mx.example.net; dkim=pass\r\n"
    b"Subject: hello\r\n\r\n"
)


def test_authentication_results_are_ours_alone_where_they_bear_our_name() -> None:
    changes = edits(Headers(AUTHENTICATED), hostname="mail.example.org")
    block = authentication_headers(an_envelope(authentication="spf=fail"), hostname="mail.example.org")
    seen = read(rendered(block, changes, AUTHENTICATED))
    assert seen.get_all("Authentication-Results") == [
        "mail.example.org; spf=fail",
        "mx.example.net; dkim=pass",
    ]
    assert authentication_headers(an_envelope(), hostname="mail.example.org") == b""


@pytest.mark.parametrize(
    ("subject", "prefix", "expected"),
    [
        ("Subject: hello\r\n", "[SPAM]", "[SPAM] hello"),
        ("Subject:hello\r\n", "[SPAM]", "[SPAM] hello"),
        ("Subject: [SPAM] hello\r\n", "[SPAM]", "[SPAM] hello"),
        ("Subject: =?utf-8?q?h=C3=A9llo?=\r\n", "[SPAM]", "[SPAM] héllo"),
        ("Subject: hello\r\n", "[INDÉSIRABLE]", "[INDÉSIRABLE] hello"),
        ("Subject: hello\r\n", "a\r\nBcc: v@d", "a??Bcc: v@d hello"),
        ("Subject: long " + "x" * 80 + "\r\n", "[SPAM]", "[SPAM] long " + "x" * 80),
        ("Subject:\r\n folded\r\n words\r\n", "[SPAM]", "[SPAM] folded words"),
        ("", "[SPAM]", "[SPAM]"),
        ("Subject: hello\r\n", "", "hello"),
    ],
    ids=["plain", "no space", "tagged before", "encoded", "not ascii", "injection", "long", "folded", "none", "no tag"],
)
def test_a_tag_stands_before_the_subject_and_changes_nothing_else(subject: str, prefix: str, expected: str) -> None:
    raw = b"From: a@b\r\n" + subject.encode() + b"To: c@d\r\n\r\nSubject: body\r\n"
    seen = rendered(b"", edits(Headers(raw), subject_prefix=prefix), raw)
    headers = Headers(seen)
    assert " ".join(headers.decoded("subject").split()) == expected
    assert sorted(name for name, _ in headers) == ["From", "Subject", "To"]
    assert seen.endswith(b"\r\n\r\nSubject: body\r\n")


def test_an_mbox_line_before_the_headers_is_not_read() -> None:
    raw = b"From jean@example.net Tue Jan  1 12:00:00 2030\r\nFrom: a@b\r\n\r\nbody"
    seen = rendered(b"X: y\r\n", edits(Headers(raw), subject_prefix="[SPAM]"), raw)
    assert read(seen).items() == [("X", "y"), ("Subject", "[SPAM]"), ("From", "a@b")]


LINES = st.sampled_from([b"Subject: a\r\n", b"X-Spam-Flag: NO\r\n", b" folded\r\n", b"\r\n", b"a: b\n", b"junk", b"\r"])


@given(lines=st.lists(LINES), prefix=st.sampled_from(["", "[SPAM]"]))
def test_edits_never_overlap_and_never_touch_the_body(lines: list[bytes], prefix: str) -> None:
    raw = b"".join(lines)
    headers = Headers(raw)
    start = headers.body_start
    changes = edits(headers, subject_prefix=prefix)
    assert all(one.end <= two.start for one, two in pairwise(changes))
    assert all(change.end <= start for change in changes)
    seen = rendered(b"", changes, raw)
    assert seen.endswith(raw[start:])
    assert len(seen) == len(raw) + growth(b"", changes)
