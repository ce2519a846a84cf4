"""From what a mailbox shows back to what came, so that the filter never learns its own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.envelope import Envelope, Peer, Recipient, Verdict
from libs.mail.headers import Headers
from libs.mail.originals import MOST_ATTACHED, Original, attached_to, original_of
from libs.mail.render import DeliveryHeaders, edits, rendered
from tests.specimens.antispam import NOW, a_message, an_envelope

RAW = a_message("buy watches", subject="watches")


def delivered(raw: bytes = RAW, **fields: object) -> bytes:
    envelope: Envelope = an_envelope(len(raw), **fields)
    verdict = Verdict(spam=True, score=9, required=7.5, action="junk", bayes=2.5)
    envelope = envelope.model_copy(update={"verdicts": {"example.org": verdict}, "received_at": NOW})
    recipient = Recipient(address="marie@example.org", domain="example.org", original="Marie@example.org")
    block = DeliveryHeaders(envelope, hostname="mx.example.org").of(recipient)
    return rendered(block, edits(Headers(raw)), raw)


def test_what_we_put_on_top_at_delivery_is_taken_off_and_read() -> None:
    shown = delivered()
    assert shown != RAW
    assert original_of(shown) == Original(RAW, sender="jean@elsewhere.example", peer="192.0.2.1")


@pytest.mark.parametrize(
    ("protocol", "submitted"), [("ESMTP", False), ("ESMTPS", False), ("ESMTPSA", True), ("HTTP", True)]
)
def test_mail_of_one_of_ours_is_known_by_its_protocol(protocol: str, submitted: bool) -> None:
    peer = Peer(address="192.0.2.1", helo="with ESMTPSA", protocol=protocol)
    assert original_of(delivered(peer=peer)).submitted is submitted


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        RAW,
        b"Return-Path: <x@y.example>\r\n" + RAW,
        a_message("X-Facteur-Envelope-To: in the body\r\n"),
        b"X-Facteur-Envelope-To: a@b.example\r\n" + RAW,
    ],
)
def test_a_message_without_our_block_is_as_it_came(raw: bytes) -> None:
    assert original_of(raw) == Original(raw)


def forwarded(*inner: bytes, kind: str = "message/rfc822") -> bytes:
    parts = b"".join(b"--b\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + raw + b"\r\n" for raw in inner)
    return a_message(parts + b"--b--\r\n", content_type="multipart/mixed; boundary=b", mime_version="1.0")


def test_forwarded_messages_come_out_as_they_were_and_not_those_inside_of_them() -> None:
    other = a_message("lottery")
    found = [original.raw for original in attached_to(forwarded(delivered(), other))]
    assert found == [RAW, other]
    nested = forwarded(other).replace(b"boundary=b", b"boundary=c").replace(b"--b", b"--c")
    assert [original.raw for original in attached_to(forwarded(nested))] == [nested]


def test_what_is_no_message_is_no_lesson_and_the_number_is_bounded() -> None:
    assert list(attached_to(RAW)) == []
    assert list(attached_to(forwarded(RAW, kind="text/plain"))) == []
    assert len(list(attached_to(forwarded(*[RAW] * (MOST_ATTACHED + 5))))) == MOST_ATTACHED


# Names of fields that no delivery removes or writes.
NAMES = st.sampled_from(["Received", "From", "To", "Subject", "X-Other", "MIME-Version", "DKIM-Signature"])
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
FIELDS = st.lists(st.tuples(NAMES, TEXTS), min_size=1, max_size=8)


@given(fields=FIELDS, body=st.binary(max_size=200), sender=st.sampled_from(["", "jean@elsewhere.example"]))
def test_a_message_comes_back_from_a_mailbox_octet_by_octet(
    fields: list[tuple[str, str]], body: bytes, sender: str
) -> None:
    raw = "".join(f"{name}: {text}\r\n" for name, text in fields).encode() + b"\r\n" + body
    assert original_of(delivered(raw, mail_from=sender)) == Original(raw, sender=sender, peer="192.0.2.1")
