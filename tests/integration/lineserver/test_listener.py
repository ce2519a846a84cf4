"""A listener over loopback: who may connect, how it drains, and what implicit TLS and a balancer change."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvloop

from libs.lineserver import Connection, ConnectionLimits, Disconnected, Listener, ListenerOptions, Rejection
from libs.tls import Certificates
from services.ingress.adapters.self_signed import self_signed

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return LOOPS


class EchoSession:
    """Answers each line with itself, and says `bye` when it is stopped."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stopping = False

    async def run(self) -> None:
        connection = self._connection
        connection.write(connection.peer[0].encode() + b"\r\n")
        try:
            while True:
                while (line := connection.reader.next_line(100)) is None:
                    await connection.flush()
                    await connection.reader.wait(connection.loop.time() + 10)
                connection.write(line + b"\r\n")
        except Disconnected:
            if self._stopping:
                connection.write(b"bye\r\n")
                await connection.flush()

    def stop(self) -> None:
        self._stopping = True
        self._connection.reader.end()


class EchoProtocol:
    """Bans 192.0.2.66."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.open = 0

    def open_session(self, connection: Connection) -> EchoSession:
        return EchoSession(connection)

    def is_banned(self, address: str) -> bool:
        return address == "192.0.2.66"

    def rejection(self, reason: Rejection) -> bytes:
        return reason.name.encode() + b"\r\n"

    def count_connection(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def count_open(self, change: int) -> None:
        self.open += change


Listen = Callable[..., Awaitable[tuple[Listener, EchoProtocol, Callable[..., Awaitable[Any]]]]]


@pytest.fixture
async def listen(tmp_path: Path) -> AsyncIterator[Listen]:
    """Start a listener, and return it with its protocol and a function that connects."""
    async with AsyncExitStack() as stack:
        certificates = Certificates(self_signed(tmp_path, "localhost"))

        async def start(*, limit: int = 10, limit_per_peer: int = 10, **options: Any) -> Any:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            given = {"header_timeout": 10.0, "handshake_timeout": 10.0, "write_timeout": 10.0, **options}
            protocol = EchoProtocol()
            listener = Listener(
                ListenerOptions(name="echo", addresses=("127.0.0.1",), port=port, **given),
                protocol,
                ConnectionLimits(limit=limit, limit_per_peer=limit_per_peer),
                certificates,
            )
            await listener.open()
            stack.push_async_callback(listener.close, timedelta(0))

            async def connect(first: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
                writer.write(first)
                return reader, writer

            return listener, protocol, connect

        yield start


async def test_lines_are_served_until_the_drain_which_ends_every_session(listen: Listen) -> None:
    listener, protocol, connect = await listen()
    reader, _ = await connect(b"one\r\ntwo\r\n")
    assert [await reader.readline() for _ in range(3)] == [b"127.0.0.1\r\n", b"one\r\n", b"two\r\n"]
    assert (len(listener), protocol.open, protocol.outcomes) == (1, 1, ["opened"])
    await listener.close(timedelta(seconds=10))
    assert await reader.read() == b"bye\r\n"
    assert (len(listener), protocol.open) == (0, 0)
    with pytest.raises(ConnectionRefusedError):
        await connect()


async def test_connections_beyond_a_limit_hear_why_and_are_closed(listen: Listen) -> None:
    _, protocol, connect = await listen(limit=3, limit_per_peer=2)
    for _ in range(2):
        reader, _ = await connect()
        await reader.readline()
    reader, _ = await connect()
    assert await reader.read() == b"TOO_MANY_FROM_PEER\r\n"
    _, protocol, connect = await listen(limit=0)
    reader, _ = await connect()
    assert await reader.read() == b"FULL\r\n"
    assert protocol.outcomes == ["refused"]


async def test_the_peer_behind_a_balancer_is_known_and_judged(listen: Listen) -> None:
    listener, protocol, connect = await listen(proxy_networks=(ip_network("127.0.0.0/8"),), header_timeout=0.2)
    reader, _ = await connect(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 25\r\none\r\n")
    assert [await reader.readline() for _ in range(2)] == [b"192.0.2.7\r\n", b"one\r\n"]
    reader, _ = await connect(b"PROXY TCP4 192.0.2.66 192.0.2.1 1 25\r\n")
    assert await reader.read() == b"BANNED\r\n"
    reader, _ = await connect(b"PROXY TCP4 192.0.2.7")
    assert await reader.read() == b"TIMEOUT\r\n"
    assert protocol.outcomes == ["opened", "refused", "refused"]
    assert len(listener) == 1


async def test_a_session_that_does_not_end_within_the_grace_is_aborted(listen: Listen) -> None:
    listener, _, connect = await listen(proxy_networks=(ip_network("127.0.0.0/8"),))
    reader, _ = await connect(b"PROXY")
    while not len(listener):
        await asyncio.sleep(0.01)
    await listener.close(timedelta(seconds=0.1))
    assert await reader.read() == b""
    assert len(listener) == 0
