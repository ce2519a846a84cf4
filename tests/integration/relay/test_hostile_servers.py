"""Sessions with servers that break the rules, one fault after the other, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from libs.envelope import Envelope, Recipient
from services.relay.adapters.smtp import SmtpSession
from services.relay.adapters.smtp_dialer import Dialer, SmtpClientTimeouts, SmtpLogin
from services.relay.domain.replies import Result
from services.relay.ports import Host
from tests import builders
from tests.servers.certificates import Certificates
from tests.servers.hostile_smtp import DROP, ENDLESS, SILENCE, HostileServer

CASES = Path(__file__).parents[2] / "specimens" / "relay"
RAW = b"Subject: x\r\n\r\n.dot\r\nbody\r\n"
SHORT = SmtpClientTimeouts(*[timedelta(seconds=0.5)] * 4)
HUGE = b"x" * 600_000
CLOSING = b"421 4.3.2 closing\r\n"


async def send(
    *servers: HostileServer, to: tuple[str, ...] = ("a@far.example",), raw: bytes = RAW, **more: Any
) -> Mapping[str, Result]:
    session = SmtpSession(Dialer(**{"hostname": "us.example", "tls": "opportunistic", "timeouts": SHORT, **more}))
    try:
        return await session.send(hosts(*servers), an_envelope(*to), recipients(*to), raw)
    finally:
        await session.close()


def hosts(*servers: HostileServer) -> list[Host]:
    return [Host("localhost", server.host, server.port) for server in servers]


def recipients(*to: str) -> list[Recipient]:
    return [Recipient(address=address) for address in to]


def an_envelope(*to: str, **more: Any) -> Envelope:
    return builders.an_envelope(*recipients(*to), id="m", mail_from="s@sender.example", **more)


def only(results: Mapping[str, Result]) -> tuple[str, str]:
    [result] = results.values()
    result.text.encode()  # no surrogates, whatever was said
    return result.outcome.value, result.status


@pytest.mark.parametrize(
    ("says", "outcome", "status", "word"),
    [
        ({"DOT": (CASES / "latin-1-acceptance.eml").read_bytes()}, "sent", "2.0.0", "taken, in latin-1"),
        ({"RCPT": (CASES / "latin-1-refusal.eml").read_bytes()}, "failed", "5.1.1", "refused, in latin-1"),
        ({"DOT": b"550 5.7.1 \xbe\xdc\xbe\xf8\r\n"}, "failed", "5.7.1", "refused, in GBK"),
        ({"DOT": b"250 2.0.0 \xed\xa0\x80\xff\x00\x1b[2J\r\n"}, "sent", "2.0.0", "surrogates, NUL, escapes"),
        ({"DOT": b"250 " + HUGE + b"\r\n"}, "sent", "2.0.0", "600 KB in a line"),
        ({"RCPT": b"550 5.1.1 " + HUGE + b"\r\n"}, "failed", "5.1.1", "refused in 600 KB"),
        ({"DOT": b"250-a\r\n" * 5_000 + b"250 2.0.0 z\r\n"}, "sent", "2.0.0", "5,000 lines"),
        ({"DOT": ENDLESS}, "sent", "2.0.0", "taken, in lines without end"),
        ({"DOT": b"250 2.0.0 taken" + DROP}, "sent", "2.0.0", "taken, then gone without a line end"),
        ({"DOT": b"250-2.0.0 taken\r\n" + DROP}, "sent", "2.0.0", "taken, then gone in the middle"),
        ({"DOT": b"250-2.0.0 taken\r\n" + SILENCE}, "sent", "2.0.0", "taken, then silence in the middle"),
        ({"DOT": DROP}, "deferred", "4.4.2", "gone behind the final dot"),
        ({"DOT": SILENCE}, "deferred", "4.4.2", "silence behind the final dot"),
        ({"DOT": b"\xff\xfe what\r\n"}, "deferred", "4.4.2", "no SMTP behind the final dot"),
        ({"DOT": CLOSING}, "deferred", "4.3.2", "421 behind the final dot"),
        ({"GREETING": ENDLESS}, "deferred", "4.4.1", "a greeting without end"),
        ({"GREETING": SILENCE}, "deferred", "4.4.1", "no greeting"),
        ({"GREETING": b"554 5.7.1 go away\r\n"}, "deferred", "4.4.1", "a greeting of 5xx is about us"),
        ({"GREETING": b"SSH-2.0-x\r\n"}, "deferred", "4.4.1", "no SMTP at all"),
        ({"EHLO": SILENCE}, "deferred", "4.4.1", "no answer to EHLO"),
        ({"MAIL": DROP}, "deferred", "4.4.2", "gone at MAIL"),
        ({"DATA": DROP}, "deferred", "4.4.2", "gone at DATA"),
        ({"DATA": b"250 Ok\r\n"}, "deferred", "4.4.2", "no 354 to DATA"),
        ({"DATA": b"554 5.6.0 no\r\n"}, "failed", "5.6.0", "DATA is refused"),
        ({"MAIL": b"550 5.7.1 no\r\n"}, "failed", "5.7.1", "MAIL is refused"),
        ({"EHLO": b"250-x\r\n250-PIPELINING\r\n250 DSN\r\n", "MAIL": b"550 5.7.1 no\r\n"}, "failed", "5.7.1", "group"),
        ({"EHLO": b"250-x\r\n250 SIZE 10\r\n"}, "failed", "5.3.4", "larger than the server takes"),
    ],
)  # fmt: skip
async def test_whatever_a_server_says_there_is_one_result_and_it_is_right(
    says: dict[str, bytes], outcome: str, status: str, word: str
) -> None:
    async with HostileServer(says) as server:
        assert only(await send(server)) == (outcome, status), word


@pytest.mark.parametrize("place", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", [CLOSING, DROP], ids=["421", "drop"])
async def test_a_server_that_closes_before_the_final_dot_gives_way_to_the_next(place: str, reply: bytes) -> None:
    async with HostileServer({place: reply}) as first, HostileServer() as second:
        assert only(await send(first, second)) == ("sent", "2.0.0")
        assert (len(first.messages), len(second.messages)) == (0, 1)


@pytest.mark.parametrize("reply", [DROP, SILENCE, CLOSING], ids=["drop", "silence", "421"])
async def test_after_the_final_dot_no_other_server_gets_the_message(reply: bytes) -> None:
    async with HostileServer({"DOT": reply}) as first, HostileServer() as second:
        assert only(await send(first, second))[0] == "deferred"
        assert (len(first.messages), second.connections) == (1, 0)


async def test_a_server_that_knows_helo_only_gets_the_message() -> None:
    async with HostileServer({"EHLO": b"502 5.5.1 no\r\n"}) as server:
        assert only(await send(server, raw=(CASES / "helo-only.eml").read_bytes())) == ("sent", "2.0.0")
        assert server.commands[:3] == ["EHLO us.example", "HELO us.example", "MAIL FROM:<s@sender.example>"]


async def test_dots_are_doubled_and_nothing_else_is_changed() -> None:
    async with HostileServer() as server:
        await send(server)
    assert server.messages == [b"Subject: x\r\n\r\n..dot\r\nbody\r\n.\r\n"]


async def test_recipients_that_are_too_many_for_a_transaction_have_another_one_at_once() -> None:
    replies = [b"250 2.1.5 Ok\r\n", b"452 4.5.3 too many\r\n", b"550 5.1.1 no\r\n", b"250 2.1.5 Ok\r\n"]
    async with HostileServer({"RCPT": replies}) as server:
        results = await send(server, to=("a@far.example", "b@far.example", "c@far.example"))
    assert {address: result.outcome.value for address, result in results.items()} == {
        "a@far.example": "sent", "b@far.example": "sent", "c@far.example": "failed",
    }  # fmt: skip
    assert (server.connections, len(server.messages)) == (1, 2)


async def test_replies_are_not_mistaken_for_those_of_the_next_message() -> None:
    """A server that says more than it was asked loses its connection, and not the order of its replies."""
    session = SmtpSession(Dialer(hostname="us.example", tls="none", timeouts=SHORT))
    async with HostileServer({"DOT": [b"250 Ok\r\n550 5.7.1 never asked\r\n", b"250 Ok\r\n"]}) as server:
        for _ in range(2):
            assert only(await session.send(hosts(server), an_envelope("a@x.example"), recipients("a@x.example"), RAW))
            await asyncio.sleep(0)
        await session.close()
    assert (len(server.messages), server.connections) == (2, 2)


# What the server lacks


async def test_8_bit_text_is_encoded_for_a_server_without_8bitmime() -> None:
    async with HostileServer({"EHLO": b"250 x\r\n"}) as server:
        assert only(await send(server, raw=(CASES / "8bit-to-7bit-peer.eml").read_bytes())) == ("sent", "2.0.0")
    [message] = server.messages
    assert message.isascii()
    assert b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n" in message
    assert "MAIL FROM:<s@sender.example>" in server.commands


async def test_8_bit_text_goes_as_it_is_to_a_server_with_8bitmime() -> None:
    raw = (CASES / "8bit-to-7bit-peer.eml").read_bytes()
    async with HostileServer() as server:
        assert only(await send(server, raw=raw)) == ("sent", "2.0.0")
    assert server.messages == [raw + b".\r\n"]
    assert f"MAIL FROM:<s@sender.example> SIZE={len(raw)} BODY=8BITMIME" in server.commands


async def test_what_is_called_encoded_and_is_not_goes_back() -> None:
    raw = b"Content-Transfer-Encoding: base64\r\n\r\n\xe9\r\n"
    async with HostileServer({"EHLO": b"250 x\r\n"}) as server:
        assert only(await send(server, raw=raw)) == ("failed", "5.6.3")
    assert server.messages == []


@pytest.mark.parametrize(
    ("envelope", "raw", "outcome", "word"),
    [
        ({"smtputf8": True}, (CASES / "smtputf8-header-to-plain-peer.eml").read_bytes(), "failed", "it asked for it"),
        ({"mail_from": "é@sender.example"}, RAW, "failed", "its sender needs it"),
        ({}, "From: é@b.example\r\n\r\nx\r\n".encode(), "failed", "an address in its header needs it"),
        ({}, (CASES / "smtputf8-header-to-plain-peer.eml").read_bytes(), "sent", "words can be encoded"),
        ({"smtputf8": True}, RAW, "sent", "it asked for what it does not need"),
    ],
)
async def test_internationalised_mail_goes_back_from_a_server_without_smtputf8(
    envelope: dict[str, Any], raw: bytes, outcome: str, word: str
) -> None:
    session = SmtpSession(Dialer(hostname="us.example", tls="none", timeouts=SHORT))
    mail = an_envelope("a@far.example").model_copy(update=envelope)
    async with HostileServer({"EHLO": b"250-x\r\n250 8BITMIME\r\n"}) as server:
        results = await session.send(hosts(server), mail, mail.recipients, raw)
        await session.close()
    assert only(results) == (outcome, "5.6.7" if outcome == "failed" else "2.0.0"), word
    assert all(message.isascii() for message in server.messages)
    assert len(server.messages) == (outcome == "sent")


async def test_one_address_that_is_not_ascii_does_not_hold_up_the_others() -> None:
    async with HostileServer({"EHLO": b"250 x\r\n"}) as server:
        results = await send(server, to=("a@far.example", "é@far.example"))
    assert [result.outcome.value for result in results.values()] == ["sent", "failed"]


async def test_wishes_for_notifications_are_handed_on_in_xtext() -> None:
    recipient = Recipient(address="a@far.example", orcpt="rfc822;é+x=y@far.example", notify=("SUCCESS", "FAILURE"))
    envelope = an_envelope("a@far.example", ret="HDRS", envid="a b+c")
    session = SmtpSession(Dialer(hostname="us.example", tls="none", timeouts=SHORT))
    async with HostileServer({"EHLO": b"250-x\r\n250 DSN\r\n"}) as server:
        results = await session.send(hosts(server), envelope, [recipient], RAW)
        await session.close()
    assert "MAIL FROM:<s@sender.example> RET=HDRS ENVID=a+20b+2Bc" in server.commands
    rcpt = "RCPT TO:<a@far.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;+C3+A9+2Bx+3Dy@far.example"
    assert rcpt in server.commands
    assert results["a@far.example"].reports_onward


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


TLS_OFFERED = b"250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"


@pytest.mark.parametrize(
    ("tls", "says", "certificate", "word"),
    [
        ("opportunistic", {"EHLO": TLS_OFFERED}, "localhost", "offered"),
        ("opportunistic", {"EHLO": TLS_OFFERED}, "other.example", "with the certificate of another"),
        ("opportunistic", {"EHLO": TLS_OFFERED, "STARTTLS": b"454 4.7.0 not now\r\n"}, "localhost", "refused"),
        ("opportunistic", {"EHLO": TLS_OFFERED, "STARTTLS": [b"220 x\r\n" + DROP, b"220 x\r\n"]}, None, "broken"),
        ("opportunistic", {}, None, "not offered"),
        ("encrypted", {"EHLO": TLS_OFFERED}, "other.example", "any certificate will do"),
        ("required", {"EHLO": TLS_OFFERED}, "localhost", "the right certificate"),
    ],
)
async def test_mail_leaves_with_as_much_tls_as_is_wanted(
    tls: str, says: dict[str, Any], certificate: str | None, word: str, certificates: Certificates
) -> None:
    context = certificates.server(certificate) if certificate else None
    async with HostileServer(says, tls=context) as server:
        results = await send(server, tls=tls, ca_file=certificates.authority)
        assert only(results) == ("sent", "2.0.0"), word


@pytest.mark.parametrize(
    "name", ["[127.0.0.1]", "[IPv6:::1]", "a_b.example", "a..b", "x" * 70 + ".example", "a b", "é"]
)
async def test_a_server_with_a_name_that_tls_cannot_hold_gets_the_mail(name: str, certificates: Certificates) -> None:
    async with HostileServer({"EHLO": TLS_OFFERED}, tls=certificates.server("localhost")) as server:
        session = SmtpSession(Dialer(hostname="us.example", tls="opportunistic", timeouts=SHORT))
        host = Host(name, server.host, server.port)
        results = await session.send([host], an_envelope("a@x.example"), recipients("a@x.example"), RAW)
        await session.close()
        assert only(results) == ("sent", "2.0.0")


@pytest.mark.parametrize("login", [None, SmtpLogin("user", "secret")], ids=["required", "login"])
@pytest.mark.parametrize(
    ("says", "certificate", "word"),
    [
        ({"EHLO": b"250-x\r\n250 AUTH PLAIN LOGIN\r\n"}, None, "TLS is not offered"),
        ({"EHLO": TLS_OFFERED, "STARTTLS": b"454 4.7.0 no\r\n"}, None, "TLS is refused"),
        ({"EHLO": TLS_OFFERED, "STARTTLS": b"220 go\r\n" + DROP}, None, "TLS breaks"),
        ({"EHLO": TLS_OFFERED}, "other.example", "the certificate is that of another"),
        ({"EHLO": TLS_OFFERED}, "self-signed", "nobody vouches for the certificate"),
        ({"EHLO": TLS_OFFERED, "STARTTLS": b"220 go\r\n250 injected\r\n"}, None, "something was injected"),
    ],
)
async def test_without_verified_tls_neither_a_login_nor_the_message_leaves(
    says: dict[str, bytes], certificate: str | None, word: str, login: SmtpLogin | None, certificates: Certificates
) -> None:
    context = certificates.server(certificate) if certificate else None
    async with HostileServer(says, tls=context) as server:
        results = await send(server, tls="required", login=login, ca_file=certificates.authority)
        assert only(results) == ("deferred", "4.4.1"), word
        assert (server.count("AUTH"), server.count("MAIL"), server.messages) == (0, 0, []), word
        await closed(server)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("methods", [b"PLAIN LOGIN", b"LOGIN"])
async def test_a_login_leaves_over_verified_tls(implicit: bool, methods: bytes, certificates: Certificates) -> None:
    offer = b"250-x\r\n250-STARTTLS\r\n250 AUTH " + methods + b"\r\n"
    auth = b"235 Ok\r\n" if b"PLAIN" in methods else b"334 VXNlcm5hbWU6\r\n"
    more = {"DXNLCG==": b"334 UGFzc3dvcmQ6\r\n", "C2VJCMV0": b"235 Ok\r\n"}  # the user and the password, as "verbs"
    says = {"EHLO": offer, "AUTH": auth, **more}
    server = HostileServer(says, tls=certificates.server("localhost"), implicit_tls=implicit)
    async with server:
        # The mode of the setting does not count: with a login it is always verified TLS.
        results = await send(
            server, tls="none", login=SmtpLogin("user", "secret"), implicit_tls=implicit, ca_file=certificates.authority
        )
        assert only(results) == ("sent", "2.0.0")


async def test_a_refused_login_leaves_no_connection_open(certificates: Certificates) -> None:
    says = {"EHLO": TLS_OFFERED, "AUTH": b"535 5.7.8 no\r\n"}
    async with HostileServer(says, tls=certificates.server("localhost")) as server:
        results = await send(server, login=SmtpLogin("user", "wrong"), ca_file=certificates.authority)
        assert only(results) == ("deferred", "4.4.1")
        await closed(server)


async def closed(server: HostileServer) -> None:
    async with asyncio.timeout(10):
        while server.open_now:
            await asyncio.sleep(0.01)


def test_old_tls_is_not_spoken() -> None:
    dialer = Dialer(hostname="us.example", tls="opportunistic", timeouts=SHORT)
    assert dialer.context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("implicit", [True, False])
def test_tls_works_on_the_event_loop_of_the_product(implicit: bool, certificates: Certificates) -> None:
    """Which is another one than that of the tests."""

    async def session() -> tuple[str, str]:
        says = {"EHLO": TLS_OFFERED, "DOT": b"250-2.0.0 taken\r\n" + DROP}
        async with HostileServer(says, tls=certificates.server("localhost"), implicit_tls=implicit) as server:
            return only(await send(server, tls="required", implicit_tls=implicit, ca_file=certificates.authority))

    assert uvloop.run(session()) == ("sent", "2.0.0")
