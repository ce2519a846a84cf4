"""Peers that are slow on purpose, over real sockets: what they hold is little, their time ends, others go on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

Eventually = Callable[..., Awaitable[None]]

MB = 1024 * 1024
LINE = b"x" * 998 + b"\r\n"


async def drip(peer: Any, octets: bytes, *, every: float = 0.03) -> None:
    """Octet after octet, until the server has had enough."""
    for octet in octets:
        try:
            await peer.send(bytes([octet]))
        except (ConnectionError, ssl.SSLError):
            return
        await asyncio.sleep(every)


async def cut_off(peer: Any, dripping: Awaitable[None]) -> str:
    """The last word of the server to a peer that drips."""
    task = asyncio.ensure_future(dripping)
    reply = str(await peer.reply())
    task.cancel()
    return reply


async def fast_then_slow(ingress: Any, peer: Any, octets: int) -> str:
    await peer.envelope()
    await peer.say("RSET", expect=250)
    await peer.say(f"MAIL FROM:<someone@example.net> SIZE={2 * MB}")
    await peer.say("RCPT TO:<jean.toto@example.org>")
    if not (await peer.say("DATA")).startswith("354"):
        return "452"
    await peer.send(LINE * (octets // len(LINE)))
    return await cut_off(peer, drip(peer, b"y" * 10_000))


async def test_bursts_that_end_in_a_drip_neither_hold_the_memory_nor_last(start: Any, specimen: bytes) -> None:
    ingress = await start(
        max_incoming_bytes=8 * MB, max_message_bytes=2 * MB, largest_message_bytes=2 * MB,
        slow_message_grace=timedelta(seconds=2),
    )  # fmt: skip
    hostile = [await ingress.mx() for _ in range(13)]
    attack = [asyncio.create_task(fast_then_slow(ingress, peer, 2 * MB - 100_000)) for peer in hostile]
    honest = await ingress.connect(source="127.0.0.2")
    await honest.say("EHLO honest.example.net", expect=250)
    for _ in range(3):
        await honest.envelope()
        await honest.data(b"Subject: honest\r\n\r\n" + LINE * 1500)
    ended = await asyncio.wait_for(asyncio.gather(*attack), 20)
    assert {reply[:3] for reply in ended} <= {"421", "452"}
    assert "421" in {reply[:3] for reply in ended}


CHUNKS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "one chunk, octet by octet": lambda peer: drip(peer, b"x" * 5000),
    "chunks of one octet": lambda peer: _chunks_of_one(peer),
    "a pause between the chunks": lambda peer: asyncio.sleep(30),
}


async def _chunks_of_one(peer: Any) -> None:
    for _ in range(1000):
        try:
            await peer.send(b"BDAT 1\r\nx")
        except ConnectionError:
            return
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("attack", CHUNKS.values(), ids=CHUNKS.keys())
async def test_chunks_of_a_message_share_one_deadline(
    start: Any, attack: Callable[[Any], Awaitable[None]], request: Any
) -> None:
    ingress = await start(slow_message_grace=timedelta(seconds=0.5), min_bytes_per_second=1000)
    peer = await ingress.mx()
    await peer.envelope()
    await peer.send(b"BDAT 5000\r\n" if request.node.callspec.id.startswith("one chunk") else b"BDAT 2\r\nxx")
    if not request.node.callspec.id.startswith("one chunk"):
        assert (await peer.reply()).startswith("250")
    task = asyncio.ensure_future(attack(peer))
    async with asyncio.timeout(10):
        while (reply := await peer.reply()).startswith("250"):
            pass
    task.cancel()
    assert reply.startswith("421 4.4.2")
    assert await peer.is_closed()


async def test_a_tls_handshake_that_drips_ends_in_time_on_both_kinds_of_port(start: Any) -> None:
    ingress = await start(tls_handshake_timeout=timedelta(seconds=0.5))
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(505)
    mx = await ingress.mx()
    await mx.say("STARTTLS", expect=220)
    reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port("submissions"))
    implicit = type(mx)(reader, writer)
    for peer in (mx, implicit):
        task = asyncio.ensure_future(drip(peer, hello))
        assert await peer.is_closed()
        task.cancel()
    writer.close()


async def test_a_slow_link_that_keeps_the_least_rate_is_heard_to_the_end(start: Any, eventually: Eventually) -> None:
    ingress = await start(slow_message_grace=timedelta(seconds=2), min_bytes_per_second=500)
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("DATA", expect=354)
    for _ in range(15):
        await peer.send(b"x" * 198 + b"\r\n")
        await asyncio.sleep(0.2)
    await peer.say(b".", expect=250)
    await peer.envelope()
    for _ in range(8):
        await peer.say(b"BDAT 200\r\n" + b"x" * 198, expect=250)
        await asyncio.sleep(0.2)
    await peer.say(b"BDAT 0 LAST", expect=250)
    await eventually(lambda: len(ingress.received) == 2)


async def test_fifty_connections_of_one_address_leave_room_for_others(ingress: Any) -> None:
    crowd = [await ingress.connect() for _ in range(50)]
    for _ in range(3):
        assert (await (await ingress.connect(greeted=False)).reply()).startswith("421 4.7.0")
    other = await ingress.connect(source="127.0.0.2")
    await other.say("EHLO honest.example.net", expect=250)
    for peer in crowd:
        await peer.close()
