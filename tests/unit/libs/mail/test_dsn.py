"""Mail that the system writes: whole, lawful, and safe against what it quotes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.dsn import DsnAction, FailedRecipient, delivery_status, may_return, notice
from libs.mail.message import Message, parse

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ORIGINAL = b"Subject: Hello\r\nMessage-ID: <1@example.net>\r\nX-Odd: a \r\n\r\nbody"


def a_status(*recipients: FailedRecipient, original_headers: bytes = ORIGINAL, envelope_id: str = "") -> Message:
    raw = delivery_status(
        to="jean@example.net",
        author="mailer-daemon@mx.example.org",
        recipients=recipients,
        reporting_mta="mx.example.org",
        original_headers=original_headers,
        now=NOW,
        message_id="<dsn-1@mx.example.org>",
        envelope_id=envelope_id,
        arrived=NOW,
    )
    assert_lawful(raw)
    return parse(raw)


def a_notice(
    *, to: str = "jean@example.org", subject: str = "Quota", text: str = "Hello", sender: str = "s@x"
) -> bytes:
    return notice(to=to, author=sender, subject=subject, text=text, now=NOW, message_id="<n-1@x>")


def assert_lawful(raw: bytes) -> None:
    """7-bit, CRLF only, no NUL, no line over 998 octets."""
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert b"\0" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert parse(raw).defects == ()


def test_a_failure_is_reported_as_rfc_3464_wants() -> None:
    recipient = FailedRecipient(
        address="marie@x.example",
        original="rfc822;m@example.org",
        status="5.1.1",
        diagnostic="550 5.1.1 no such user",
        remote_mta="mx.x.example",
    )
    message = a_status(recipient, envelope_id="QQ314159")
    assert message.root.parameters.parameters["report-type"] == "delivery-status"
    text, status, original = message.leaves()
    assert "<marie@x.example>: mx.x.example said: 550 5.1.1 no such user" in text.text()
    assert status.content_type == "message/delivery-status"
    assert status.body().decode().split("\r\n") == [
        "Original-Envelope-Id: QQ314159",
        "Reporting-MTA: dns; mx.example.org",
        "Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000",
        "",
        "Original-Recipient: rfc822; m@example.org",
        "Final-Recipient: rfc822; marie@x.example",
        "Action: failed",
        "Status: 5.1.1",
        "Remote-MTA: dns; mx.x.example",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
        "",
    ]
    assert original.content_type == "text/rfc822-headers"
    assert original.body().rstrip() == ORIGINAL.partition(b"\r\n\r\n")[0].rstrip()


def test_a_notification_tells_programs_not_to_answer_and_clients_what_it_is_about() -> None:
    headers = a_status(FailedRecipient(address="m@x.example", status="5.0.0")).headers
    assert headers.get("Auto-Submitted") == "auto-replied"
    assert headers.get("In-Reply-To") == headers.get("References") == "<1@example.net>"
    assert headers.get("Date") == "Sun, 22 Nov 2026 10:00:00 +0000"
    assert headers.get("Message-ID") == "<dsn-1@mx.example.org>"
    assert headers.addresses("To") == [("", "jean@example.net")]
    assert headers.addresses("From") == [("Mail Delivery System", "mailer-daemon@mx.example.org")]


@pytest.mark.parametrize(
    ("action", "subject"),
    [
        (DsnAction.FAILED, "Undelivered mail returned to sender"),
        (DsnAction.DELAYED, "Delayed mail (still being retried)"),
        (DsnAction.DELIVERED, "Successful mail delivery report"),
        (DsnAction.RELAYED, "Mail delivery report"),
    ],
)
def test_the_subject_says_what_happened(action: DsnAction, subject: str) -> None:
    assert a_status(FailedRecipient(address="m@x.example", status="2.0.0", action=action)).subject == subject


def test_an_address_in_unicode_is_reported_in_the_ascii_form_of_rfc_6533() -> None:
    _, status, _ = a_status(FailedRecipient(address="é+\\@x.example", status="5.6.7")).leaves()
    assert rb"Final-Recipient: utf-8; \x{E9}\x{2B}\x{5C}@x.example" in status.body()


def test_nothing_that_a_remote_server_says_adds_a_field() -> None:
    message = a_status(
        FailedRecipient(
            address="m@x.example",
            status="5.1.1\r\nAction: delivered",
            diagnostic="550 no\r\nBcc: v@d\r\n\r\n--x\0é" + "y" * 5_000,
            remote_mta="mx\r\nStatus: 2.0.0",
        )
    )
    _, status, _ = message.leaves()
    assert status.body().count(b"\r\nStatus:") == 1
    assert b"\r\nBcc:" not in message.raw
    assert len(list(message.parts())) == 4


@pytest.mark.parametrize(
    "original",
    [
        pytest.param(b"", id="nothing"),
        pytest.param("Subject: é\r\n\r\n".encode(), id="UTF-8"),
        pytest.param(b"Subject: x\rBcc: y\nX: \0\xff\n\n", id="bare CR, LF and NUL"),
        pytest.param(b"Subject: " + b"x" * 100_000, id="one line of 100 kB"),
        pytest.param(b"X: y\r\n" * 50_000, id="50,000 fields"),
        pytest.param(b"Message-ID: <a@b>\r\n <c@d>\r\n\r\n", id="two message ids"),
    ],
)
def test_the_original_fields_are_returned_harmless_and_bounded(original: bytes) -> None:
    message = a_status(FailedRecipient(address="m@x.example", status="5.0.0"), original_headers=original)
    assert len(message.raw) < 400_000
    assert len(list(message.parts())) == 4


def test_the_same_report_is_written_the_same_twice() -> None:
    recipient = FailedRecipient(address="m@x.example", status="5.0.0")
    assert a_status(recipient).raw == a_status(recipient).raw


def test_a_notice_is_a_plain_message_that_no_program_answers() -> None:
    message = parse(a_notice(subject="Boîte pleine à 90 %", text="Bonjour,\nvotre boîte est pleine.\n"))
    assert message.subject == "Boîte pleine à 90 %"
    assert message.headers.get("Auto-Submitted") == "auto-generated"
    assert message.root.text() == "Bonjour,\r\nvotre boîte est pleine.\r\n"
    assert_lawful(message.raw)


def test_a_recipient_that_no_header_can_carry_is_left_to_the_envelope() -> None:
    assert parse(a_notice(to="jéan@example.org")).headers.get("To") is None


@pytest.mark.parametrize(
    ("sender", "message_id", "now"),
    [
        pytest.param("no address", "<a@b>", NOW, id="author"),
        pytest.param("a@b\r\nBcc: c@d", "<a@b>", NOW, id="author with a line"),
        pytest.param("a@b", "a@b", NOW, id="message id without brackets"),
        pytest.param("a@b", "<a@b>\r\nBcc: c@d", NOW, id="message id with a line"),
        pytest.param("a@b", "<a@b>", NOW.replace(tzinfo=None), id="time without a zone"),
    ],
)
def test_our_own_mistakes_are_errors(sender: str, message_id: str, now: datetime) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        notice(to="a@b", author=sender, subject="x", text="y", now=now, message_id=message_id)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_text_makes_a_lawful_notice(to: str, subject: str, text: str) -> None:
    assert_lawful(a_notice(to=to, subject=subject, text=text))


@given(st.text(max_size=60), st.text(max_size=60), st.binary(max_size=200))
def test_any_failure_makes_a_lawful_report(address: str, diagnostic: str, original: bytes) -> None:
    recipient = FailedRecipient(
        address=address, status=diagnostic, diagnostic=diagnostic, original=address, remote_mta=diagnostic
    )
    a_status(recipient, original_headers=original, envelope_id=diagnostic)


@pytest.mark.parametrize(
    ("raw", "ret", "limit_bytes", "returned"),
    [
        pytest.param(ORIGINAL, "full", 1000, True, id="asked for"),
        pytest.param(ORIGINAL, "HDRS", 1000, False, id="the header alone is asked for"),
        pytest.param(ORIGINAL, "", 1000, False, id="not asked for"),
        pytest.param(ORIGINAL, "FULL", 10, False, id="too large"),
        pytest.param(ORIGINAL + b"\0", "FULL", 1000, False, id="NUL"),
        pytest.param(ORIGINAL + b"x" * 2000, "FULL", 9999, False, id="a line that SMTP cannot carry"),
    ],
)
def test_a_message_is_returned_whole_only_on_request_and_where_a_letter_can_carry_it(
    raw: bytes, ret: str, limit_bytes: int, returned: bool
) -> None:
    assert may_return(raw, ret=ret, limit_bytes=limit_bytes) is returned


def test_an_address_that_a_careless_reader_would_decode_is_left_to_the_envelope() -> None:
    assert parse(a_notice(to='"=?utf-8?q?a?="@example.org')).headers.get("To") is None


@pytest.mark.parametrize(
    ("raw", "kind", "encoding"),
    [
        (b"Subject: x\r\n\r\nbody\n", "message/rfc822", "7bit"),
        ("Subject: x\r\n\r\nété\n".encode(), "message/rfc822", "8bit"),
        ("Subject: été\r\n\r\nbody\n".encode(), "message/global", "8bit"),
    ],
)
def test_a_returned_message_is_never_encoded(raw: bytes, kind: str, encoding: str) -> None:
    part = delivery_status(
        to="jean@example.net",
        author="mailer-daemon@mx.example.org",
        recipients=[FailedRecipient(address="marie@far.example", status="5.1.1")],
        reporting_mta="mx.example.org",
        original_headers=ORIGINAL,
        returned=raw,
        now=NOW,
        message_id="<dsn-1@mx.example.org>",
    )
    assert f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() in part
    assert b"\r\n\r\n" + raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") in part
