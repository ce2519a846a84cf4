"""The protocol of one connection: buffered writes, flow control, TLS."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import NamedTuple, cast

from libs.lineserver.errors import Disconnected
from libs.lineserver.line_reader import LineReader
from libs.lineserver.tls import TlsChannel
from libs.network import plain

# Within it a peer closes its side too, after the close of a TLS connection was announced.
_TLS_CLOSE_SECONDS = 5.0


class TlsParameters(NamedTuple):
    """What a handshake agreed on, such as `TLSv1.3` and `TLS_AES_256_GCM_SHA384`."""

    version: str
    cipher: str


class Connection(asyncio.Protocol):
    """A connection feeds a `LineReader`, sends output and upgrades to TLS.

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
        self._channel: TlsChannel | None = None
        self._handshake: asyncio.Future[None] | None = None  # set while it is in progress
        self._closing: asyncio.TimerHandle | None = None  # set while the peer may close its side of TLS

    # The event loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        self.reader.attach(self._wire)
        address, port = (transport.get_extra_info("peername") or ("0.0.0.0", 0))[:2]
        self.peer = plain(address), port
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        if self._channel is None:
            self.reader.feed(data)
        elif self._handshake is not None:
            self._continue_handshake(data)
        elif self._closing is None:
            self._receive_encrypted(data)

    def eof_received(self) -> bool:
        """Keep a half-closed connection (RFC 9293 3.6.1) open to answer the commands before the close.

        Under TLS a peer announces its end by close_notify, and a connection that ends otherwise is broken.
        """
        self.reader.end()
        self._fail_handshake()
        return self._channel is None

    def pause_writing(self) -> None:
        self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self.resume_writing()
        self._fail_handshake(error)
        if self._closing is not None:
            self._closing.cancel()
        self.reader.close()

    # The session's side

    def write(self, octets: bytes) -> None:
        """Buffer octets for the next `flush`."""
        self._unsent.append(octets)

    async def flush(self) -> None:
        """Send the buffered output. Raises `Disconnected`, also after the write timeout."""
        if self._unsent:
            octets = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
            self._unsent.clear()
            if self._lost or self._wire is None:
                raise Disconnected
            self._wire.write(octets if self._channel is None else self._encrypted(octets, self._channel))
        if self._drained is not None:
            await self._wait_until_drained(self._drained)

    def _encrypted(self, octets: bytes, channel: TlsChannel) -> bytes:
        try:
            return channel.encrypt(octets)
        except ssl.SSLError as error:
            self.abort()
            raise Disconnected from error

    async def _wait_until_drained(self, drained: asyncio.Future[None]) -> None:
        done, _ = await asyncio.wait([drained], timeout=self._write_timeout)
        if not done or self._lost:
            self.abort()
            raise Disconnected

    async def start_tls(self, context: ssl.SSLContext, *, timeout: float, from_start: bool = False) -> None:
        """Encrypt everything from here on. Raises `Disconnected` when the handshake fails.

        Octets that came before are discarded (RFC 3207 4.2, 6): nothing that was injected in plain text survives. With
        `from_start` (implicit TLS) they are the beginning of the handshake.
        """
        if self._lost or self._wire is None:
            raise Disconnected
        early = self.reader.read()
        self.reader.resume()
        self._channel = channel = TlsChannel(context)
        self._handshake = handshake = self.loop.create_future()
        if early and from_start:
            self._continue_handshake(early)
        try:
            async with asyncio.timeout(timeout):
                await handshake
        except TimeoutError as error:
            self.abort()
            raise Disconnected from error
        finally:
            self._handshake = None
        self.tls = TlsParameters(channel.version, channel.cipher)

    async def linger(self, seconds: float) -> None:
        """Close the sending side and discard what the peer still sends.

        A close with unread octets would reset the connection and destroy the last reply on its way. Raises
        `PeerTimeout`, `Disconnected`.
        """
        if self._lost or self._wire is None or self._wire.is_closing():
            return
        if self._channel is None and self._wire.can_write_eof():
            self._wire.write_eof()
        deadline = self.loop.time() + seconds
        while not self.reader.ended:
            self.reader.discard()
            await self.reader.wait(deadline)

    def has_spoken(self) -> bool:
        """Tell whether the peer sent anything yet, even if the event loop did not read it."""
        if self.reader.pending:
            return True
        if self._wire is None or self._channel is not None:
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
        """Close the connection after the buffered output is sent.

        Under TLS the sending side is closed first, so that the close_notify of the peer does not reset the connection.
        """
        wire = self._wire
        if wire is None or wire.is_closing() or self._closing is not None:
            return
        if self._channel is None or self.tls is None:
            wire.close()
            return
        wire.write(self._channel.shutdown())
        wire.write_eof()
        self.reader.resume()
        self._closing = self.loop.call_later(_TLS_CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        """Close at once."""
        if self._wire is not None:
            self._wire.abort()

    def _receive_encrypted(self, octets: bytes) -> None:
        channel, wire = self._channel, self._wire
        assert channel is not None
        assert wire is not None
        try:
            text = channel.decrypt(octets)
        except ssl.SSLError:
            wire.write(channel.output())  # the alert
            wire.close()
            self.reader.end()
            return
        if output := channel.output():
            wire.write(output)
        if text:
            self.reader.feed(text)
        if channel.peer_closed:
            self.reader.end()

    def _continue_handshake(self, octets: bytes) -> None:
        handshake, channel, wire = self._handshake, self._channel, self._wire
        assert handshake is not None
        assert channel is not None
        assert wire is not None
        try:
            complete = channel.handshake(octets)
        except ssl.SSLError as error:
            wire.write(channel.output())
            wire.close()
            self._fail_handshake(error)
            return
        wire.write(channel.output())
        if complete and not handshake.done():
            handshake.set_result(None)
            self._handshake = None
            self._receive_encrypted(b"")  # what the peer sent behind the handshake

    def _fail_handshake(self, error: Exception | None = None) -> None:
        if self._handshake is not None and not self._handshake.done():
            failure = Disconnected("the TLS handshake failed")
            failure.__cause__ = error
            self._handshake.set_exception(failure)
