"""TLS on a connection, with a client in memory: no plain text survives, and the close is announced."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

import pytest

from libs.lineserver import Connection, Disconnected
from services.ingress.adapters.self_signed import self_signed


class MemoryTransport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = self.closed = False

    def write(self, octets: bytes) -> None:
        self.written += octets

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        return

    resume_reading = pause_reading

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 4711) if name == "peername" else None


class TlsClient:
    """The other side of a connection."""

    def __init__(self, connection: Connection, transport: MemoryTransport) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._connection, self._transport = connection, transport
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing)

    def hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._outgoing.read()

    def exchange(self) -> None:
        """Hand over what either side wrote."""
        self._connection.data_received(self._outgoing.read())
        self._incoming.write(self._transport.written)
        self._transport.written = b""

    def finish(self) -> None:
        self.exchange()
        self.tls.do_handshake()
        self.exchange()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return self_signed(tmp_path_factory.mktemp("tls"), "mx.example.org").context()


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
async def connection(transport: MemoryTransport) -> Connection:
    opened: list[Connection] = []
    connection = Connection(asyncio.get_running_loop(), opened.append, 10)
    connection.connection_made(cast(asyncio.Transport, transport))
    assert opened == [connection]
    assert connection.peer == ("192.0.2.1", 4711)
    return connection


async def encrypted(connection: Connection, transport: MemoryTransport, context: ssl.SSLContext) -> TlsClient:
    client = TlsClient(connection, transport)
    starting = asyncio.create_task(connection.start_tls(context, timeout=10))
    await asyncio.sleep(0)
    connection.data_received(client.hello())
    client.finish()
    await starting
    return client


async def test_plain_text_that_was_injected_before_tls_is_discarded(
    connection: Connection, transport: MemoryTransport, context: ssl.SSLContext
) -> None:
    connection.data_received(b"RSET\r\n")
    client = await encrypted(connection, transport, context)
    assert connection.reader.pending == 0
    client.tls.write(b"EHLO x\r\n")
    client.exchange()
    assert connection.reader.next_line(512) == b"EHLO x"
    assert connection.tls is not None
    assert connection.tls.version == "TLSv1.3"


async def test_plain_text_behind_the_beginning_of_tls_ends_the_connection(
    connection: Connection, transport: MemoryTransport, context: ssl.SSLContext
) -> None:
    starting = asyncio.create_task(connection.start_tls(context, timeout=10))
    await asyncio.sleep(0)
    connection.data_received(b"RSET\r\n")
    with pytest.raises(Disconnected):
        await starting
    assert transport.closed
    assert connection.reader.pending == 0


async def test_implicit_tls_begins_with_the_octets_that_came_already(
    connection: Connection, transport: MemoryTransport, context: ssl.SSLContext
) -> None:
    client = TlsClient(connection, transport)
    connection.data_received(client.hello())
    starting = asyncio.create_task(connection.start_tls(context, timeout=10, from_start=True))
    await asyncio.sleep(0)
    client.finish()
    await starting
    connection.write(b"220 ")
    connection.write(b"mx\r\n")
    await connection.flush()
    client.exchange()
    assert client.tls.read(100) == b"220 mx\r\n"


async def test_a_handshake_that_takes_too_long_or_breaks_off_ends_the_connection(
    connection: Connection, transport: MemoryTransport, context: ssl.SSLContext
) -> None:
    with pytest.raises(Disconnected):
        await connection.start_tls(context, timeout=0.01)
    assert transport.closed
    again = Connection(connection.loop, lambda _: None, 10)
    again.connection_made(cast(asyncio.Transport, MemoryTransport()))
    starting = asyncio.create_task(again.start_tls(context, timeout=10))
    await asyncio.sleep(0)
    assert not again.eof_received()
    with pytest.raises(Disconnected):
        await starting


async def test_large_input_and_output_pass_through_tls_whole(
    connection: Connection, transport: MemoryTransport, context: ssl.SSLContext
) -> None:
    client = await encrypted(connection, transport, context)
    message = bytes(range(256)) * 1000
    client.tls.write(message)
    client.exchange()
    assert connection.reader.read() == message
    connection.write(message)
    await connection.flush()
    client.exchange()
    received = b""
    while len(received) < len(message):
        received += client.tls.read(65536)
    assert received == message


async def test_the_close_of_tls_is_announced_and_waits_for_that_of_the_peer(
    connection: Connection, transport: MemoryTransport, context: ssl.SSLContext
) -> None:
    client = await encrypted(connection, transport, context)
    connection.close()
    assert (transport.ended, transport.closed) == (True, False)
    client.exchange()
    assert client.tls.read(1) == b""  # close_notify
    connection.data_received(b"anything")  # ignored from here on
    assert not connection.eof_received()
    connection.connection_lost(None)


async def test_a_close_of_the_peer_is_seen_behind_its_last_octets(
    connection: Connection, transport: MemoryTransport, context: ssl.SSLContext
) -> None:
    client = await encrypted(connection, transport, context)
    client.tls.write(b"QUIT\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.exchange()
    assert connection.reader.next_line(512) == b"QUIT"
    assert connection.reader.ended


async def test_garbage_under_tls_ends_the_connection(
    connection: Connection, transport: MemoryTransport, context: ssl.SSLContext
) -> None:
    await encrypted(connection, transport, context)
    connection.data_received(b"this is no record")
    assert connection.reader.ended
    assert transport.closed
    connection.write(b"250 OK\r\n")
    with pytest.raises(Disconnected):
        await connection.flush()
