"""The answers of spamd, and the trace fields that it gets."""

from __future__ import annotations

import pytest

from libs.envelope import Mail, Peer, Temporary
from services.antispam.engines import spamd
from services.antispam.engines.model import EngineResult
from services.antispam.engines.spamd import trace
from services.antispam.message.mail_view import MailView
from tests.specimens.antispam import a_view, an_envelope

OK = b"SPAMD/1.1 0 EX_OK\r\n"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (OK + b"Spam: True ; 15.3 / 5.0\r\n\r\nGTUBE,MISSING_DATE", EngineResult(15.3, 5.0, ("GTUBE", "MISSING_DATE"))),
        (OK + b"Content-length: 0\r\nSpam: False ; -0.1 / 5.0\r\n\r\n", EngineResult(-0.1, 5.0)),
        (OK + b"spam:yes;1/2\r\n\r\n\r\n", EngineResult(1.0, 2.0)),
    ],
)
def test_an_answer_of_spamd_is_read(answer: bytes, result: EngineResult) -> None:
    assert spamd.parse_result(answer) == result


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        OK + b"\r\n",
        OK + b"Spam: True ; many / 5.0\r\n\r\n",
        OK + b"Spam: True ; 1.0 / 0.0\r\n\r\n",
        b"SPAMD/1.0 76 Bad header line: \xff\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_another_answer_of_spamd_is_an_error(answer: bytes) -> None:
    with pytest.raises(Temporary, match="spamd"):
        spamd.parse_result(answer)


def test_the_trace_says_how_the_message_came_and_no_stranger_can_add_a_line() -> None:
    peer = Peer(address="192.0.2.1", helo="mx.elsewhere.example\r\nX-Spam: no", reverse_name="mx.elsewhere.example")
    lines = trace(a_view(peer=peer, mail_from="a\r\nb@elsewhere.example"), hostname="mx.example.org")
    assert lines.startswith(b"Return-Path: <a??b@elsewhere.example>\r\nReceived: from mx.elsewhere.example??X-Spam")
    assert b"[192.0.2.1]" in lines
    assert lines.endswith(b"\r\n")
    assert not any(line.startswith(b"X-Spam") for line in lines.splitlines())


def test_a_sender_that_nobody_told_is_not_the_null_sender() -> None:
    asked = MailView(Mail(an_envelope(mail_from=""), b""), frozenset({"sender"}))
    assert trace(asked, hostname="mx.example.org").startswith(b"Received: from mx.elsewhere.example")


def test_there_is_no_trace_where_no_peer_is_known() -> None:
    assert trace(a_view(peer=Peer()), hostname="mx.example.org") == b""
