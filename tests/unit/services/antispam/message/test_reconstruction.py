"""The envelope of a message that the API checks."""

from __future__ import annotations

from typing import Any

import pytest

from libs.mail.headers import Headers
from libs.mail.render import DeliveryHeaders, edits, rendered
from libs.network import Ip
from services.antispam.message.reconstruction import GivenEnvelope, reconstruct_mail
from tests.specimens.antispam import NOW, a_message, an_envelope

MESSAGE = a_message()


def is_trusted(peer: Ip) -> bool:
    return str(peer).startswith("198.51.100.")


TRACED = (
    b"Return-Path: <jean@a.example>\r\nDelivered-To: m@b.example\r\n"
    b"Received: from h.a.example ([192.0.2.1]) by b\r\n" + MESSAGE
)


@pytest.mark.parametrize(
    ("raw", "told", "envelope", "unknown"),
    [
        (MESSAGE, GivenEnvelope(), ("", "", "", []), {"sender", "recipients", "helo"}),
        (MESSAGE, GivenEnvelope(""), ("", "", "", []), {"recipients", "helo"}),
        (TRACED, GivenEnvelope(), ("jean@a.example", "192.0.2.1", "h.a.example", ["m@b.example"]), set()),
        (TRACED, GivenEnvelope(""), ("", "192.0.2.1", "h.a.example", ["m@b.example"]), set()),
        (TRACED, GivenEnvelope(peer="192.0.2.9"), ("jean@a.example", "192.0.2.9", "", ["m@b.example"]), {"helo"}),
        (TRACED, GivenEnvelope(helo="x.example"), ("jean@a.example", "", "x.example", ["m@b.example"]), set()),
        (TRACED, GivenEnvelope(None, ("x@b.org",)), ("jean@a.example", "192.0.2.1", "h.a.example", ["x@b.org"]), set()),
    ],
)  # fmt: skip
def test_what_is_told_counts_before_what_fields_say(
    raw: bytes, told: GivenEnvelope, envelope: Any, unknown: set[str]
) -> None:
    mail, missing = reconstruct_mail(raw, told, is_trusted=is_trusted, domain="", now=NOW)
    made = mail.envelope
    recipients = [to.address for to in made.recipients]
    assert (made.mail_from, made.peer.address, made.peer.helo, recipients) == envelope
    assert missing == unknown


def test_a_message_that_we_delivered_comes_back_as_it_came() -> None:
    envelope = an_envelope(len(MESSAGE))
    block = DeliveryHeaders(envelope, hostname="mx.example.org").of(envelope.recipients[0])
    delivered = rendered(block, edits(Headers(MESSAGE)), MESSAGE)
    mail, unknown = reconstruct_mail(delivered, GivenEnvelope(), is_trusted=is_trusted, domain="", now=NOW)
    assert (mail.raw, unknown) == (MESSAGE, frozenset())
    again = mail.envelope
    assert (mail.raw, unknown) == (MESSAGE, frozenset())
    assert (again.mail_from, again.peer.address, again.peer.helo) == (
        envelope.mail_from,
        envelope.peer.address,
        envelope.peer.helo,
    )
    assert [to.address for to in again.recipients] == ["marie@example.org"]
    assert again.received_at == NOW
