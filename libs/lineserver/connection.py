"""The protocol of one connection: buffered writes, flow control, TLS."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import NamedTuple, cast

from libs.lineserver.errors import Disconnected
from libs.lineserver.line_reader import LineReader
from libs.network import plain


class TlsParameters(NamedTuple):
    """What a handshake agreed on, such as `TLSv1.3` and `TLS_AES_256_GCM_SHA384`."""

    version: str
    cipher: str


class Connection(asyncio.Protocol):
    """Feeds a `LineReader`, sends what is written, upgrades to TLS.

    `on_open` is called once, when the peer is connected. A peer that does not read is disconnected after
    `write_timeout` seconds.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_open: Callable[[Connection], None], write_timeout: float
    ) -> None:
        self.loop = loop
        self.reader = LineReader(loop)
        self.peer: tuple[str, int] = ("", 0)
        self.tls: TlsParameters | None = None
        self._on_open = on_open
        self._write_timeout = write_timeout
        self._wire: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._lost = False
        self._drained: asyncio.Future[None] | None = None  # set while the peer does not read

    # The event loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._use(cast(asyncio.Transport, transport))
        address, port = (transport.get_extra_info("peername") or ("0.0.0.0", 0))[:2]
        self.peer = plain(address), port
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)

    def eof_received(self) -> bool:
        """Keep a half-closed connection (RFC 9293 3.6.1) open, so that what was sent before is answered.

        TLS has no half-closed state here.
        """
        self.reader.end()
        return self._wire is not None and self._wire.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self.resume_writing()
        self.reader.close()

    # The session's side

    def write(self, octets: bytes) -> None:
        """Buffer octets for the next `flush`."""
        self._unsent.append(octets)

    async def flush(self) -> None:
        """Send what was written. Raises `Disconnected`, also when the peer does not read for the write timeout."""
        if self._unsent:
            octets = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
            self._unsent.clear()
            if self._lost or self._wire is None:
                raise Disconnected
            self._wire.write(octets)
        if self._drained is not None:
            await self._wait_until_drained(self._drained)

    async def _wait_until_drained(self, drained: asyncio.Future[None]) -> None:
        done, _ = await asyncio.wait([drained], timeout=self._write_timeout)
        if not done or self._lost:
            self.abort()
            raise Disconnected

    async def start_tls(self, context: ssl.SSLContext, *, timeout: float, from_start: bool = False) -> None:
        """Encrypt everything from here on. Raises `Disconnected` when the handshake fails.

        Octets that came before are discarded (RFC 3207 4.2): nothing that was injected in plain text survives. With
        `from_start` (implicit TLS) they are the beginning of the handshake.
        """
        if self._lost or self._wire is None:
            raise Disconnected
        self._wire.pause_reading()  # nothing may come in between the octets that are here and those of the handshake
        early = self.reader.read()
        handshake = self.loop.create_task(
            self.loop.start_tls(self._wire, self, context, server_side=True, ssl_handshake_timeout=timeout)
        )
        if early and from_start:
            # `start_tls` queues its own first steps in its first turn. What is queued behind them runs in the turn
            # after that, before the loop looks at the socket again: the octets keep their order.
            self.loop.call_soon(self.loop.call_soon, _inject, self._wire, early)
        try:
            transport = await handshake
        except OSError as error:  # ssl.SSLError and a handshake that takes too long are ones
            self.abort()
            raise Disconnected from error
        if transport is None or self._lost:
            raise Disconnected
        self._use(transport)
        cipher, version, _ = transport.get_extra_info("cipher")
        self.tls = TlsParameters(transport.get_extra_info("ssl_object").version() or version, cipher)

    async def linger(self, seconds: float) -> None:
        """Close the sending side and discard what the peer still sends.

        A close with unread octets would reset the connection and destroy the last reply on its way. Raises
        `PeerTimeout`, `Disconnected`.
        """
        if self._lost or self._wire is None or self._wire.is_closing():
            return
        if self._wire.can_write_eof():
            self._wire.write_eof()
        deadline = self.loop.time() + seconds
        while not self.reader.ended:
            self.reader.discard()
            await self.reader.wait(deadline)

    def has_spoken(self) -> bool:
        """Tell whether the peer sent anything yet, even if the event loop did not read it."""
        if self.reader.pending:
            return True
        if self._wire is None or self._wire.get_extra_info("sslcontext") is not None:
            return False
        poll = select.poll()
        poll.register(self._wire.get_extra_info("socket").fileno(), select.POLLIN | select.POLLRDHUP)
        return any(events == select.POLLIN for _, events in poll.poll(0))

    def reject(self, octets: bytes) -> None:
        """Send `octets` and close, without a session."""
        if self._wire is not None:
            self._wire.write(octets)
            self._wire.close()

    def close(self) -> None:
        """Close after what was written has gone out."""
        if self._wire is not None:
            self._wire.close()

    def abort(self) -> None:
        """Close at once."""
        if self._wire is not None:
            self._wire.abort()

    def _use(self, transport: asyncio.Transport) -> None:
        self._wire = transport
        self.reader.attach(transport)


def _inject(transport: asyncio.Transport, octets: bytes) -> None:
    """Hand `octets` to the protocol of `transport` as if they came from the socket."""
    protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
    buffer = memoryview(protocol.get_buffer(len(octets)))
    buffer[: len(octets)] = octets
    protocol.buffer_updated(len(octets))
