"""What the trace fields of a delivered message tell, as servers of many kinds write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.network import Ip
from services.antispam.message.reconstruction import GivenEnvelope, reconstruct_mail
from services.antispam.message.traces import read_trace
from tests.specimens.antispam import NOW, a_message

MESSAGE = a_message()


def is_trusted(peer: Ip) -> bool:
    return str(peer).startswith("198.51.100.")


def hop_of(*received: str) -> Any:
    fields = "".join(f"Received: {value}\r\n" for value in received)
    return read_trace(fields.encode() + MESSAGE, is_trusted).hop


@pytest.mark.parametrize(
    ("received", "peer", "helo"),
    [
        pytest.param("from mx.a.example (mx.a.example [192.0.2.1]) by b", "192.0.2.1", "mx.a.example", id="Postfix"),
        pytest.param("from h.a (unknown [IPv6:2001:db8::1])\r\n\tby b", "2001:db8::1", "h.a", id="Postfix over IPv6"),
        pytest.param("from h.a (mx [192.0.2.1] (may be forged)) by b", "192.0.2.1", "h.a", id="Sendmail"),
        pytest.param("from mx.a ([192.0.2.1] helo=h.a) by b with esmtp (Exim)", "192.0.2.1", "h.a", id="Exim"),
        pytest.param("from [192.0.2.1] (helo=h.a) by b with smtp", "192.0.2.1", "h.a", id="Exim without a name"),
        pytest.param(
            "from [192.0.2.1] (port=25 helo=[192.0.2.9]) by b", "192.0.2.1", "[192.0.2.9]", id="Exim, literal"
        ),
        pytest.param("from unknown (HELO h.a) (192.0.2.1) by b with SMTP", "192.0.2.1", "h.a", id="qmail"),
        pytest.param("from h.a (192.0.2.1) by b (192.0.2.7) with Microsoft", "192.0.2.1", "h.a", id="Exchange"),
        pytest.param("from h.a (2001:db8::1) by b (2001:db8::7)", "2001:db8::1", "h.a", id="Exchange over IPv6"),
        pytest.param("from h.a (mx.a. [192.0.2.1])\r\n by mx.b with ESMTPS id 7", "192.0.2.1", "h.a", id="Gmail"),
        pytest.param("from h.a ([192.0.2.1]) by b", "192.0.2.1", "h.a", id="no name"),
        pytest.param("from h.a (mx.a [::ffff:192.0.2.1]) by b", "::ffff:192.0.2.1", "h.a", id="Courier"),
        pytest.param("from [192.0.2.9] (x [192.0.2.1]) by b", "192.0.2.1", "[192.0.2.9]", id="a literal in HELO"),
        pytest.param("from unknown ([192.0.2.1]) by b", "192.0.2.1", None, id="ours, without HELO"),
        pytest.param("FROM h.a ([192.0.2.1]) BY b", "192.0.2.1", "h.a", id="upper case"),
    ],
)
def test_servers_write_their_hops_in_many_ways(received: str, peer: str, helo: str | None) -> None:
    hop = hop_of(received)
    assert (hop.peer, hop.helo, hop.is_submission) == (peer, helo, False)


@pytest.mark.parametrize(
    "received", ["by b with HTTP", "from a by b", "from a (b [999.1.1.1]) by c", "", "from", "from a (x [) by c", "(x)"]
)
def test_a_hop_without_an_address_tells_nothing(received: str) -> None:
    assert hop_of(received) is None


def test_the_peer_is_the_first_that_is_none_of_the_site() -> None:
    inside = ("from a ([127.0.0.1]) by b", "by c with LMTP", "from d ([10.1.2.3]) by e", "from f ([198.51.100.1]) by g")
    hop = hop_of(*inside, "from h ([192.0.2.1]) by i; Thu, 01 Jan 2026 10:00:00 +0000", "from x ([192.0.2.2]) by y")
    assert (hop.peer, hop.at) == ("192.0.2.1", datetime(2026, 1, 1, 10, tzinfo=UTC))
    assert hop_of(*inside) is None
    assert hop_of(*inside * 5, "from h ([192.0.2.1]) by i") is None


@pytest.mark.parametrize("protocol", ["ESMTPSA", "ESMTPA", "UTF8SMTPSA", "HTTP", "ESMTPS", "LMTP"])
def test_who_signed_in_is_no_stranger(protocol: str) -> None:
    assert hop_of(f"from a ([192.0.2.1]) by b with {protocol} id 1").is_submission == (
        protocol not in ("ESMTPS", "LMTP")
    )


@pytest.mark.parametrize(
    ("fields", "sender", "recipient", "original"),
    [
        ("Return-Path: <jean@a.example>", "jean@a.example", None, None),
        ("Return-Path: <>", "", None, None),
        ("Return-Path:", "", None, None),
        ("Return-Path: jean@A.example", "jean@a.example", None, None),
        ("Return-Path: <not an address>", None, None, None),
        ("Return-Path: <first@a.example>\r\nReturn-Path: <second@a.example>", "first@a.example", None, None),
        ("Delivered-To: m@b.example\r\nX-Original-To: info@b.example", None, "m@b.example", "info@b.example"),
        ("X-Original-To: info@b.example", None, None, "info@b.example"),
        ("Delivered-To: m@b.example\r\nDelivered-To: before@b.example", None, "m@b.example", None),
        ("Subject: x", None, None, None),
    ],
)
def test_sender_and_recipient_stand_in_the_fields_of_delivery(
    fields: str, sender: str | None, recipient: str | None, original: str | None
) -> None:
    trace = read_trace(fields.encode() + b"\r\n" + MESSAGE, is_trusted)
    assert (trace.sender, trace.recipient, trace.original_recipient) == (sender, recipient, original)


TRACED = (
    b"Return-Path: <jean@a.example>\r\nDelivered-To: m@b.example\r\n"
    b"Received: from h.a.example ([192.0.2.1]) by b\r\n" + MESSAGE
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text("from by[]()helo=1.: \r\n\t<>@;", max_size=200).map(str.encode))
def test_no_field_raises(value: bytes) -> None:
    for name in (b"Received", b"Return-Path", b"Delivered-To", b"X-Original-To"):
        reconstruct_mail(name + b": " + value + b"\r\n\r\n", GivenEnvelope(), is_trusted=is_trusted, domain="", now=NOW)


@pytest.mark.parametrize("piece", ["from a ", "from a(", "[1.1.1.1", " by", "helo=", "(((", "from a (" + "helo= " * 9])
def test_a_crafted_field_is_read_in_one_pass(piece: str) -> None:
    hop_of("from a " + piece * (100_000 // len(piece)))
