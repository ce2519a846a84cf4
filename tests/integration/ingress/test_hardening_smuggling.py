"""Attack inputs, rows 1 to 8, 36, 37, 39 and 48: octets that want to be something else than they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

Eventually = Callable[..., Awaitable[None]]

SMUGGLED = (
    b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<marie.dupont@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
)

ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "CR.LF": b"\r.\n",
    "LF.CR": b"\n.\r",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("split", [False, True], ids=["one packet", "many packets"])
async def test_only_crlf_dot_crlf_ends_a_message_and_the_rest_is_refused(ingress: Any, end: bytes, split: bool) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("DATA", expect=354)
    attack = b"Subject: outer\r\n\r\ntext" + end + SMUGGLED
    for octet in [attack] if not split else [attack[at : at + 7] for at in range(0, len(attack), 7)]:
        await peer.send(octet)
        await asyncio.sleep(0)
    assert (await peer.reply()).startswith("550 5.6.0")
    await peer.say("NOOP", expect=250)
    assert ingress.received == []


@pytest.mark.parametrize("body", [b"one\ntwo\r\n", b"one\rtwo\r\n", b"one\r\r\n", b"\n\r\n"])
async def test_bare_line_ends_in_a_body_are_refused(ingress: Any, body: bytes) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.data(b"Subject: x\r\n\r\n" + body, expect="550 5.6.0")


async def test_nul_in_a_message_is_refused(ingress: Any) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.data(b"Subject: x\r\n\r\na\0b\r\n", expect="554 5.6.0")


async def test_commands_sent_in_the_clear_behind_starttls_are_never_carried_out(ingress: Any) -> None:
    peer = await ingress.connect("submission")
    await peer.say("EHLO client.example.net", expect=250)
    await peer.send(b"STARTTLS\r\nMAIL FROM:<someone@example.net>\r\n")
    assert (await peer.reply()).startswith("503 5.5.0")
    assert await peer.is_closed()


async def test_a_peer_that_sends_before_the_greeting_is_refused(start: Any) -> None:
    ingress = await start(greeting_delay=timedelta(seconds=0.5))
    early = await ingress.connect(greeted=False)
    await early.send(b"EHLO client.example.net\r\n")
    assert (await early.reply()).startswith("554 5.5.0")
    assert await early.is_closed()
    patient = await ingress.connect()
    await patient.say("EHLO client.example.net", expect=250)


@pytest.mark.parametrize(
    "packet",
    [
        b"HELO client.example.net\r\nMAIL FROM:<someone@example.net>\r\n",
        b"EHLO client.example.net\r\nMAIL FROM:<someone@example.net>\r\n",
    ],
)
async def test_pipelining_before_it_was_offered_ends_the_session(ingress: Any, packet: bytes) -> None:
    peer = await ingress.connect()
    await peer.send(packet)
    assert (await peer.reply()).startswith("503 5.5.0")
    assert await peer.is_closed()


async def test_pipelining_after_helo_ends_the_session(ingress: Any) -> None:
    peer = await ingress.connect()
    await peer.say("HELO client.example.net", expect=250)
    await peer.send(b"MAIL FROM:<someone@example.net>\r\nRCPT TO:<jean.toto@example.org>\r\n")
    assert (await peer.reply()).startswith("503 5.5.0")
    assert await peer.is_closed()


async def test_data_and_body_in_one_packet_smuggle_nothing(ingress: Any) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.send(b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
    assert (await peer.reply()).startswith("503 5.5.0")
    assert await peer.is_closed()
    assert ingress.received == []


async def test_a_pipelined_group_is_answered_command_by_command(
    ingress: Any, specimen: bytes, eventually: Eventually
) -> None:
    peer = await ingress.mx()
    await peer.send(
        b"MAIL FROM:<a@example.net>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<jean.toto@example.org>\r\nDATA\r\n"
    )
    assert [(await peer.reply())[:3] for _ in range(4)] == ["250", "550", "250", "354"]
    # RFC 2920 3.1: the next transaction may begin in the packet that ends the message.
    await peer.send(b"Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<b@example.net>\r\nRCPT TO:<marie.dupont@example.org>\r\n")
    assert [(await peer.reply())[:3] for _ in range(3)] == ["250", "250", "250"]
    await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 2)
    assert [mail.envelope.mail_from for mail in ingress.received] == ["a@example.net", "b@example.net"]


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nsecret",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"\x00\x01\x02\x03\r\n",
    ],
    ids=["HTTP", "TLS", "binary"],
)
async def test_another_protocol_is_answered_500_and_closed_at_its_first_octets(ingress: Any, octets: bytes) -> None:
    peer = await ingress.connect()
    await peer.send(octets)
    reply = await peer.reply()
    assert reply.startswith("500 5.5.2")
    assert "secret" not in reply
    assert await peer.is_closed()


async def test_smtp_to_the_http_api_is_answered_400(ingress: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", 8001 + ingress.port_base)
    writer.write(b"EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_after_a_refused_message_and_after_rset_the_state_is_clean(
    ingress: Any, specimen: bytes, eventually: Eventually
) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.data(b"Subject: x\r\n\r\na\nb\r\n", expect=550)
    await peer.say("RCPT TO:<jean.toto@example.org>", expect="503 5.5.1")
    await peer.envelope("marie.dupont@example.org")
    await peer.say("RSET", expect=250)
    await peer.say("DATA", expect="503 5.5.1")
    await peer.envelope("jean.toto@example.org")
    await peer.data(specimen)
    await peer.say("RSET", expect=250)
    await eventually(lambda: len(ingress.received) == 1)
    assert [r.address for r in ingress.received[0].envelope.recipients] == ["jean.toto@example.org"]


@pytest.mark.parametrize("packets", [1, 3, 1000], ids=lambda n: f"{n} octets a packet")
async def test_dots_are_undone_however_the_packets_are_cut(ingress: Any, eventually: Eventually, packets: int) -> None:
    wire = b"Subject: dots\r\n\r\n..\r\n...\r\n..one\r\n.no\r\n\r\n..\r\n\r\n.\r\n"
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("DATA", expect=354)
    for at in range(0, len(wire), packets):
        await peer.send(wire[at : at + packets])
        await asyncio.sleep(0.001)
    assert (await peer.reply()).startswith("250")
    await eventually(lambda: len(ingress.received) == 1)
    assert ingress.received[0].raw == b"Subject: dots\r\n\r\n.\r\n..\r\n.one\r\nno\r\n\r\n.\r\n\r\n"
