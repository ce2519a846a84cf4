"""What is delivered reads as what was scanned: the same fields, body and parts, whatever the message looks like."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from libs.envelope import Envelope, Peer, Recipient
from libs.mail.headers import Headers
from libs.mail.message import Message, parse
from libs.mail.render import DeliveryHeaders, edits, received, rendered, repairs
from tests.specimens.broken_mail import ODD_LINES, a_carrier, broken_mail

MARIE = Recipient(address="marie@example.org", domain="example.org")
ENVELOPE = Envelope(
    id="0123abcd", received_at=datetime(2030, 1, 1, tzinfo=UTC), peer=Peer(address="192.0.2.7", helo="mx.example.net"),
    mail_from="jean@example.net", recipients=(MARIE,), size_bytes=5, sha256="0" * 64,
)  # fmt: skip
OURS = DeliveryHeaders(ENVELOPE, hostname="mail.example.org").of(MARIE)
TRACE = received(ENVELOPE, None, hostname="mail.example.org")
FORGEABLE = re.compile(r"(?i)(x-spam-|x-facteur-).*|return-path|authentication-results")


def delivered(raw: bytes, tag: str = "") -> bytes:
    return rendered(OURS, edits(Headers(raw), subject_prefix=tag, hostname="mail.example.org"), raw)


def relayed(raw: bytes) -> bytes:
    return rendered(TRACE, repairs(Headers(raw)), raw)


def content(message: Message) -> tuple[bytes, list[tuple[str, str, bytes]]]:
    parts = [(part.content_type, part.filename, part.body()) for part in message.parts()]
    return message.raw[message.headers.body_start :], parts


def fields(raw: bytes) -> list[tuple[str, str]]:
    return [(name, value) for name, value in Headers(raw) if not FORGEABLE.fullmatch(name)]


@settings(max_examples=400, deadline=None)
@given(raw=broken_mail)
def test_the_delivered_message_has_the_fields_body_and_parts_that_were_scanned(raw: bytes) -> None:
    seen = delivered(raw)
    ours = len([name for name, _ in Headers(OURS) if not FORGEABLE.fullmatch(name)])
    assert fields(seen)[ours:] == fields(raw)
    assert content(parse(seen)) == content(parse(raw))


@settings(max_examples=400, deadline=None)
@given(raw=broken_mail)
def test_the_tagged_message_has_the_body_and_parts_that_were_scanned(raw: bytes) -> None:
    seen = delivered(raw, "[SPAM]")
    assert Headers(seen).decoded("Subject").startswith("[SPAM]")
    assert content(parse(seen)) == content(parse(raw))


@settings(max_examples=400, deadline=None)
@given(raw=broken_mail)
def test_the_relayed_message_has_the_fields_body_and_parts_that_were_scanned(raw: bytes) -> None:
    seen = relayed(raw)
    assert list(Headers(seen))[len(Headers(TRACE)) :] == list(Headers(raw))
    assert content(parse(seen)) == content(parse(raw))


@pytest.mark.parametrize("line", ODD_LINES, ids=repr)
@pytest.mark.parametrize("before", [(), (b"X-A: b",)], ids=["first", "second"])
def test_one_odd_line_changes_nothing_between_scan_and_delivery(before: tuple[bytes, ...], line: bytes) -> None:
    raw = a_carrier(*before, line)
    assert content(parse(delivered(raw))) == content(parse(raw)) == content(parse(relayed(raw)))


def test_mail_with_a_blank_line_is_delivered_as_it_came() -> None:
    assert delivered(a_carrier()) == OURS + a_carrier()
    assert relayed(a_carrier()) == TRACE + a_carrier()
