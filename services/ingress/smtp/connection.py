"""The protocol of one connection, on aiosmtpd's.

Of aiosmtpd's SMTP stays the contract with the loop. Replaced are the constructor (it reflects over every attribute of
itself for each connection, a third of a millisecond), the stream reader (its limits are those of a buffer, not of a
command) and the command loop: stock 1.4.6 takes commands that end with a bare LF, control characters in addresses, bare
CR and LF in messages, and any number of commands, recipients and failed logins.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import TYPE_CHECKING, cast

import aiosmtpd.smtp

from libs.envelope import Tls
from libs.network import plain
from services.ingress.smtp.line_reader import Gone, Intake

if TYPE_CHECKING:
    from services.ingress.smtp.server import Door


class Connection(aiosmtpd.smtp.SMTP):
    """Feeds an `Intake`, writes replies, upgrades to TLS; the `Session` that `door` opens does the talking."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.StreamReaderProtocol.__init__(self, cast(asyncio.StreamReader, None), loop=loop)
        self.loop = loop
        self.intake = Intake(loop)
        self.peer: tuple[str, int] = ("", 0)
        self._door = door
        self._wire: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._lost = False
        self._drained: asyncio.Future[None] | None = None  # while the peer does not read

    # The loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer is there. No session begins for one that the door turns away."""
        self._use(cast(asyncio.Transport, transport))
        address, port = (transport.get_extra_info("peername") or ("0.0.0.0", 0))[:2]
        self.peer = plain(address), port
        self._door.opened(self)

    def data_received(self, data: bytes) -> None:
        self.intake.feed(data)

    def eof_received(self) -> bool:
        """Half closed (RFC 9293 3.9.1): what was sent before is still answered. Under TLS there is no half."""
        self.intake.end()
        return self._wire is not None and self._wire.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """The peer does not read what we say."""
        self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self.resume_writing()
        self.intake.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)

    # The session's side

    def write(self, octets: bytes) -> None:
        """Goes out with the next `flush`."""
        self._out.append(octets)

    async def flush(self) -> None:
        """Send what was written. Raises `Gone`; a peer that does not read is not waited for without end."""
        if self._out:
            octets = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            if self._lost or self._wire is None:
                raise Gone
            self._wire.write(octets)
        if self._drained is not None:
            await self._wait_for_reader(self._drained)

    async def _wait_for_reader(self, drained: asyncio.Future[None]) -> None:
        done, _ = await asyncio.wait([drained], timeout=self._door.site.pace.silence)
        if not done or self._lost:
            self.abort()
            raise Gone

    async def start_tls(self, context: ssl.SSLContext, *, timeout: float, from_start: bool) -> Tls:
        """Everything from here on is encrypted. Raises `Gone`.

        What came before is forgotten (RFC 3207 6), unless TLS is there from the start: then it is the handshake.
        """
        if self._lost or self._wire is None:
            raise Gone
        self._wire.pause_reading()  # nothing may come in between what we have and what the handshake reads
        early = self.intake.take()
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
            raise Gone from error
        if transport is None or self._lost:
            raise Gone
        self._use(transport)
        name, version, _ = transport.get_extra_info("cipher")
        return Tls(version=transport.get_extra_info("ssl_object").version() or version, cipher=name)

    async def linger(self, seconds: float) -> None:
        """Hear the peer out without heeding it: a close with octets unread would destroy our last reply on its way."""
        if self._lost or self._wire is None or self._wire.is_closing():
            return
        if self._wire.can_write_eof():
            self._wire.write_eof()
        deadline = self.loop.time() + seconds
        while not self.intake.ended:
            self.intake.discard()
            await self.intake.more(deadline)

    def has_spoken(self) -> bool:
        """Whether the peer sent anything yet, even if the loop did not see it."""
        if self.intake.pending:
            return True
        if self._wire is None or self._wire.get_extra_info("sslcontext") is not None:
            return False
        poll = select.poll()
        poll.register(self._wire.get_extra_info("socket").fileno(), select.POLLIN | select.POLLRDHUP)
        return any(events == select.POLLIN for _, events in poll.poll(0))

    def turn_away(self, octets: bytes) -> None:
        """A last word, or none, and good-bye."""
        if self._wire is not None:
            self._wire.write(octets)
            self._wire.close()

    def close(self) -> None:
        """After what was written has gone out."""
        if self._wire is not None:
            self._wire.close()

    def abort(self) -> None:
        """At once."""
        if self._wire is not None:
            self._wire.abort()

    def _use(self, transport: asyncio.Transport) -> None:
        self.transport = self._wire = transport
        self.intake.attach(transport)


def _inject(transport: asyncio.Transport, octets: bytes) -> None:
    """Hand `octets` to the protocol of `transport` as if they came from the socket."""
    protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
    buffer = memoryview(protocol.get_buffer(len(octets)))
    buffer[: len(octets)] = octets
    protocol.buffer_updated(len(octets))
