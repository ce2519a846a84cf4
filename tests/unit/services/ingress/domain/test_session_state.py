"""Which command may follow which."""

from __future__ import annotations

import pytest

from libs.envelope import Tls
from libs.mail.replies import Reply
from services.ingress.domain.parameters import mail_arguments
from services.ingress.domain.relaying import Login
from services.ingress.domain.session_state import (
    ListenerProfile,
    SessionState,
    Transaction,
    before_auth,
    before_content,
    before_mail,
    before_rcpt,
    before_starttls,
)

MX = ListenerProfile("mx", 25)
SUBMISSION = ListenerProfile("submission", 587, needs_tls=True, offers_auth=True, needs_auth=True)
TLS = Tls(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384")
LOGIN = Login("jean.toto@example.org")


def a_transaction(*, failed: bool = False) -> Transaction:
    arguments = mail_arguments("FROM:<a@example.net>", extended=True)
    return Transaction(arguments, arguments.path.address, failed=failed)


def code(reply: Reply | None) -> int:
    return reply.code if reply else 0


@pytest.mark.parametrize(
    ("state", "profile", "expected"),
    [
        (SessionState(), MX, 503),
        (SessionState("x"), MX, 0),
        (SessionState("x"), SUBMISSION, 530),
        (SessionState("x", tls=TLS), SUBMISSION, 530),
        (SessionState("x", tls=TLS, login=LOGIN), SUBMISSION, 0),
        (SessionState("x", transaction=a_transaction()), MX, 503),
    ],
)
def test_mail_needs_a_greeting_and_what_the_listener_requires(
    state: SessionState, profile: ListenerProfile, expected: int
) -> None:
    assert code(before_mail(state, profile)) == expected


def test_rcpt_and_data_need_a_transaction_with_recipients() -> None:
    assert code(before_rcpt(SessionState("x"))) == 503
    begun = SessionState("x", transaction=a_transaction())
    assert code(before_rcpt(begun)) == 0
    assert [code(before_content(begun, chunked=chunked)) for chunked in (False, True)] == [503, 554]
    failed = SessionState("x", transaction=a_transaction(failed=True))
    assert code(before_content(failed, chunked=True)) == 503


def test_auth_is_offered_under_tls_only_and_once() -> None:
    assert code(before_auth(SessionState("x"), SUBMISSION)) == 538
    assert code(before_auth(SessionState("x", tls=TLS), MX)) == 503
    assert code(before_auth(SessionState("x", tls=TLS), SUBMISSION)) == 0
    assert code(before_auth(SessionState("x", tls=TLS, login=LOGIN), SUBMISSION)) == 503


def test_starttls_comes_once_and_everything_before_it_is_forgotten() -> None:
    state = SessionState("x", extended=True)
    assert code(before_starttls(state, MX)) == 0
    state.tls = TLS
    state.start_anew()
    assert (state.helo, state.extended) == ("", False)
    assert code(before_starttls(state, MX)) == 503


@pytest.mark.parametrize(
    ("state", "keyword"),
    [
        (SessionState("x"), "SMTP"),
        (SessionState("x", extended=True), "ESMTP"),
        (SessionState("x", extended=True, tls=TLS), "ESMTPS"),
        (SessionState("x", extended=True, tls=TLS, login=LOGIN), "ESMTPSA"),
    ],
)
def test_the_protocol_of_the_received_field(state: SessionState, keyword: str) -> None:
    assert state.protocol == keyword


def test_the_protocol_names_what_the_session_used() -> None:
    assert SessionState("x").protocol == "SMTP"
    assert SessionState("x", extended=True).protocol == "ESMTP"
    assert SessionState("x", extended=True, tls=TLS, login=LOGIN).protocol == "ESMTPSA"
    arguments = mail_arguments("FROM:<a@example.net> SMTPUTF8", extended=True)
    utf8 = Transaction(arguments, arguments.path.address)
    assert SessionState("x", extended=True, tls=TLS, transaction=utf8).protocol == "UTF8SMTPS"


def test_what_was_said_before_starttls_is_forgotten() -> None:
    state = SessionState("x", extended=True, transaction=a_transaction())
    state.start_anew()
    assert state == SessionState()


def test_content_needs_a_transaction() -> None:
    assert [code(before_content(SessionState(helo), chunked=False)) for helo in ("", "x")] == [503, 503]


def test_authentication_needs_a_greeting_over_tls_at_a_port_that_offers_it() -> None:
    assert code(before_auth(SessionState("x"), SUBMISSION)) == 538
    assert code(before_auth(SessionState("x", tls=TLS), MX)) == 503
    assert code(before_auth(SessionState("", tls=TLS), SUBMISSION)) == 503
    assert code(before_auth(SessionState("x", tls=TLS, login=LOGIN), SUBMISSION)) == 503
    assert code(before_auth(SessionState("x", tls=TLS, transaction=a_transaction()), SUBMISSION)) == 503
    assert code(before_auth(SessionState("x", tls=TLS), SUBMISSION)) == 0
