"""SMTP replies."""

import re

import pytest

from libs.mail import replies
from libs.mail.replies import Reply

CONSTANTS = {name: reply for name, reply in vars(replies).items() if isinstance(reply, Reply)}


def test_one_line_goes_out_with_both_codes() -> None:
    assert replies.UNKNOWN_RECIPIENT.line() == b"550 5.1.1 No such mailbox here\r\n"
    assert str(replies.SEND_DATA) == "354 End data with <CR><LF>.<CR><LF>"


def test_several_lines_carry_the_codes_on_each() -> None:
    assert Reply(550, "5.7.1", "No.\nNever.").line() == b"550-5.7.1 No.\r\n550 5.7.1 Never.\r\n"


def test_another_text_keeps_the_codes() -> None:
    reply = replies.REFUSED_BY_POLICY.because("Two From headers")
    assert str(reply) == "550 5.7.1 Two From headers"


def test_no_line_is_longer_than_smtp_allows() -> None:
    assert len(Reply(550, "5.7.1", "x" * 2_000).line()) == 512


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        pytest.param(550, "4.7.1", "x", id="permanent and temporary"),
        pytest.param(99, "", "x", id="no code"),
        pytest.param(250, "", "a\rb", id="CR in the text"),
        pytest.param(250, "", "é", id="not ASCII"),
        pytest.param(250, "", "a\0", id="NUL"),
    ],
)
def test_a_reply_that_would_break_the_protocol_cannot_be_made(code: int, enhanced: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        Reply(code, enhanced, text)


@pytest.mark.parametrize("name", CONSTANTS)
def test_every_constant_is_lawful_and_says_what_it_is(name: str) -> None:
    reply = CONSTANTS[name]
    assert re.fullmatch(r"[245]\.[0-7]\.\d{1,2}|", reply.enhanced)
    assert len(reply.line()) <= 512


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        *(("SENDER_OK", "250 2.1.0"), ("UNKNOWN_RECIPIENT", "550 5.1.1"), ("RELAY_DENIED", "550 5.7.1")),
        *(("MESSAGE_TOO_LARGE", "552 5.3.4"), ("MAILBOX_FULL", "452 4.2.2"), ("TRY_AGAIN", "451 4.3.0")),
        *(("TOO_MANY_RECIPIENTS", "452 4.5.3"), ("AUTH_REQUIRED", "530 5.7.0"), ("AUTH_FAILED", "535 5.7.8")),
        *(("AUTH_UNAVAILABLE", "454 4.7.0"), ("IDLE_TIMEOUT", "421 4.4.2"), ("TOO_MANY_CONNECTIONS", "421 4.7.0")),
        *(("SYNTAX_ERROR", "500 5.5.2"), ("BAD_ARGUMENTS", "501 5.5.4"), ("BAD_SEQUENCE", "503 5.5.1")),
        *(("MAIL_LOOP", "554 5.4.6"), ("BAD_CONTENT", "554 5.6.0"), ("UNKNOWN_PARAMETER", "555 5.5.4")),
        *(("SMTPUTF8_NEEDED", "553 5.6.7"), ("ENCRYPTION_NEEDED", "538 5.7.11"), ("NO_NULL_FORWARD_PATH", "501 5.1.3")),
    ],
)
def test_the_codes_are_those_of_the_rfcs(name: str, codes: str) -> None:
    assert str(CONSTANTS[name]).startswith(codes + " ")


def test_a_text_of_others_is_quoted_as_printable_ascii_on_one_line() -> None:
    reply = replies.REFUSED_BY_POLICY.quoting("é\r\n250 OK \ud800" + "x" * 1000)
    assert reply.line().startswith(b"550 5.7.1 ???250 OK ?xxx")
    assert len(reply.line()) <= 512
    assert replies.REFUSED_BY_POLICY.quoting("") == replies.REFUSED_BY_POLICY
