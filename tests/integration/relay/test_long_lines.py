"""Lines of more than 998 octets on their way to a server that takes none, as RFC 5321 4.5.3.1.6 lets it."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from libs.envelope import Envelope, Recipient
from services.relay.adapters.smtp import SmtpSession
from services.relay.adapters.smtp_dialer import Dialer, SmtpClientTimeouts
from services.relay.domain.replies import Result
from services.relay.ports import Host
from tests.servers.hostile_smtp import HostileServer
from tests.servers.sink import Sink

LUC = "luc@far.example"
LONG = b"une ligne " * 1600
RAW = b"Subject: " + b"mot " * 500 + b"fin\r\nFrom: s@sender.example\r\n\r\n" + LONG + b"\r\ncourte\r\n"


async def send(host: str, port: int, raw: bytes) -> Mapping[str, Result]:
    session = SmtpSession(
        Dialer(hostname="us.example", tls="none", timeouts=SmtpClientTimeouts(*[timedelta(seconds=10)] * 4))
    )
    to = Recipient(address=LUC)
    envelope = Envelope(
        id="m", received_at=datetime(2026, 1, 1, tzinfo=UTC), mail_from="s@sender.example", recipients=(to,),
        size_bytes=len(raw), sha256="", verdicts={},
    )  # fmt: skip
    try:
        return await session.send([Host("localhost", host, port)], envelope, [to], raw)
    finally:
        await session.close()


def reads_the_same(raw: bytes) -> None:
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert read["Subject"] == "mot " * 500 + "fin"
    content = read.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.replace(b"\r\n", b"\n") == LONG + b"\ncourte\n"


async def test_a_server_with_a_limit_takes_mail_that_came_in_long_lines(sink: Sink) -> None:
    results = await send("127.0.0.1", sink.port, RAW)
    assert results[LUC].outcome.value == "sent"
    [taken] = sink.to(LUC)
    reads_the_same(taken.content)


@pytest.mark.parametrize("extensions", [b"250 x\r\n", b"250-x\r\n250 8BITMIME\r\n"], ids=["7bit", "8BITMIME"])
async def test_so_it_is_whatever_the_server_offers(extensions: bytes) -> None:
    async with HostileServer({"EHLO": extensions}) as server:
        results = await send(server.host, server.port, RAW)
    assert results[LUC].outcome.value == "sent"
    [message] = server.messages
    reads_the_same(message.removesuffix(b".\r\n"))


async def test_a_long_line_that_has_no_other_form_goes_back() -> None:
    async with HostileServer() as server:
        results = await send(server.host, server.port, b"Message-ID: <" + b"x" * 2000 + b"@b.example>\r\n\r\nbody\r\n")
    assert (results[LUC].outcome.value, results[LUC].status) == ("failed", "5.6.3")
    assert "998 octets" in results[LUC].text
    assert server.messages == []
