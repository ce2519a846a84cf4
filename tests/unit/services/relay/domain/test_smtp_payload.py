"""What is sent to a server with these extensions, with which parameters, and what cannot be sent to it."""

from __future__ import annotations

from typing import Any

import pytest

from libs.envelope import Envelope, Recipient
from services.relay.domain.replies import Result
from services.relay.domain.smtp_payload import Payload, payload_for, rcpt_options, split_by_need
from tests import builders

ALL = {"SMTPUTF8": "", "8BITMIME": "", "SIZE": "0", "DSN": ""}
PLAIN = b"Subject: x\r\n\r\nbody\r\n"
EIGHT_BIT = "Subject: x\r\n\r\nété\r\n".encode()
UTF8_HEADER = "Subject: été\r\n\r\nbody\r\n".encode()
UTF8_ADDRESS = "From: é@example.org\r\n\r\nbody\r\n".encode()
JEAN, INTERNATIONAL = Recipient(address="jean@far.example"), Recipient(address="jéan@far.example")


def an_envelope(**fields: Any) -> Envelope:
    given: dict[str, Any] = {"mail_from": "marie@example.org", **fields}
    return builders.a_mail(JEAN.address, raw=PLAIN, **given).envelope


def sent(raw: bytes, *names: str, to: Recipient = JEAN, size: str = "0", **fields: Any) -> Payload:
    payload = payload_for({name: size if name == "SIZE" else "" for name in names}, an_envelope(**fields), [to], raw)
    assert isinstance(payload, Payload)
    return payload


def failure(raw: bytes, *names: str, to: Recipient = JEAN, size: str = "0", **fields: Any) -> str:
    result = payload_for({name: size if name == "SIZE" else "" for name in names}, an_envelope(**fields), [to], raw)
    assert isinstance(result, Result)
    return result.status


def test_a_plain_message_goes_as_it_is_with_its_size_where_the_server_asks() -> None:
    assert sent(PLAIN) == Payload(PLAIN, ())
    assert sent(PLAIN, "SIZE") == Payload(PLAIN, (f"SIZE={len(PLAIN)}",))


@pytest.mark.parametrize(("limit", "fits"), [("0", True), ("", True), ("9999", True), ("10", False)])
def test_a_message_beyond_the_size_of_the_server_is_not_sent(limit: str, fits: bool) -> None:
    if fits:
        assert sent(PLAIN, "SIZE", size=limit).raw == PLAIN
    else:
        assert failure(PLAIN, "SIZE", size=limit) == "5.3.4"


def test_eight_bits_go_as_they_are_to_a_server_that_takes_them_and_encoded_to_others() -> None:
    assert sent(EIGHT_BIT, "8BITMIME") == Payload(EIGHT_BIT, ("BODY=8BITMIME",))
    encoded = sent(EIGHT_BIT)
    assert encoded.raw.isascii()
    assert encoded.options == ()


def test_a_header_in_utf8_is_encoded_for_a_server_without_smtputf8() -> None:
    assert sent(UTF8_HEADER, *ALL).raw == UTF8_HEADER
    assert "SMTPUTF8" in sent(UTF8_HEADER, *ALL).options
    encoded = sent(UTF8_HEADER)
    assert encoded.raw.isascii()
    assert encoded.options == ()


def test_a_header_that_is_no_utf8_is_encoded_for_every_server() -> None:
    assert sent("Subject: été\r\n\r\nbody\r\n".encode("latin-1"), *ALL).raw.isascii()


@pytest.mark.parametrize(
    ("raw", "to", "fields"),
    [
        pytest.param(UTF8_ADDRESS, JEAN, {}, id="an address in the header"),
        pytest.param(UTF8_HEADER, JEAN, {"smtputf8": True}, id="the sender asked for SMTPUTF8"),
        pytest.param(PLAIN, INTERNATIONAL, {}, id="the recipient"),
        pytest.param(PLAIN, JEAN, {"mail_from": "é@example.org"}, id="the sender"),
    ],
)
def test_internationalised_mail_fails_where_the_server_lacks_smtputf8(
    raw: bytes, to: Recipient, fields: dict[str, Any]
) -> None:
    assert failure(raw, "8BITMIME", to=to, **fields) == "5.6.7"
    assert "SMTPUTF8" in sent(raw, *ALL, to=to, **fields).options


def test_recipients_that_need_smtputf8_do_not_take_the_others_with_them() -> None:
    envelope = an_envelope()
    assert split_by_need(envelope, [INTERNATIONAL, JEAN]) == [[JEAN], [INTERNATIONAL]]
    assert split_by_need(envelope, [JEAN]) == [[JEAN]]


def test_the_sender_s_wishes_for_notifications_go_on_where_the_server_knows_dsn() -> None:
    wishes: dict[str, Any] = {"ret": "HDRS", "envid": "a b"}
    assert sent(PLAIN, "DSN", **wishes).options == ("RET=HDRS", "ENVID=a+20b")
    assert sent(PLAIN, **wishes).options == ()
    to = Recipient(address="jean@far.example", notify=("FAILURE", "DELAY"), orcpt="rfc822;a+b@example.org")
    assert rcpt_options(ALL, to) == ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;a+2Bb@example.org"]
    assert rcpt_options({}, to) == []
    assert rcpt_options(ALL, JEAN) == []


def test_a_list_reports_the_delivery_itself_so_that_its_members_do_not() -> None:
    member = Recipient(address="jean@far.example", notify=("SUCCESS", "FAILURE"), expanded=True)
    assert rcpt_options(ALL, member) == ["NOTIFY=FAILURE"]


def test_a_header_that_has_no_short_lines_fails() -> None:
    assert failure(b"To: " + b"x" * 1200 + b"@far.example\r\n\r\nbody\r\n", "8BITMIME") == "5.6.3"
