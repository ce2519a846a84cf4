"""A connection to another mail server: sends commands and reads replies, bounded in size and time."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Self, cast

from services.relay.domain.reply_lines import RemoteReply, ReplyReader

_MAX_UNREAD = 1000
_SERVICE_NOT_AVAILABLE = 421


class PeerGone(Exception):
    """Raised when the connection is lost or unusable. It is closed."""


class SmtpClientConnection(asyncio.Protocol):
    """Is opened by `open`; its owner must call `abort` at the end."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._replies: deque[RemoteReply] = deque()
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.is_open = False
        self.is_encrypted = False

    @classmethod
    async def open(
        cls, address: str, port: int, *, seconds: float, tls: ssl.SSLContext | None = None, name: str = ""
    ) -> Self:
        """Connect; with `tls`, encrypted from the first octet (RFC 8314 3.3). Raises `PeerGone`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(
                    cls, address, port, ssl=tls, server_hostname=name if tls else None
                )
        except TimeoutError as error:
            raise PeerGone(f"no connection within {seconds:g} s") from error
        except (OSError, ssl.SSLError, ValueError) as error:
            # ValueError: a name that neither the system nor TLS accepts; an MX record may contain any.
            raise PeerGone(f"no connection: {error}"[:300]) from error
        connection.is_encrypted = tls is not None
        return connection

    async def command(self, line: str, *, seconds: float) -> RemoteReply:
        """Send a command and read its reply. Raises `PeerGone`, also after an unsolicited reply."""
        self.write_lines([line])
        return await self.reply(seconds)

    def write_lines(self, lines: list[str]) -> None:
        """Send commands without waiting (RFC 2920 3.1); their replies follow in order. Raises `PeerGone`."""
        if self._replies:
            unsolicited = self._replies.popleft()
            self.abort()
            raise PeerGone(
                f"{unsolicited.code} {unsolicited.text}" if unsolicited.code else "the peer spoke out of turn"
            )
        self._write("".join(f"{_clean(line)}\r\n" for line in lines).encode())

    async def reply(self, seconds: float) -> RemoteReply:
        """Read the next reply. Raises `PeerGone` and closes the connection when none arrives in time."""
        try:
            async with asyncio.timeout(seconds):
                while not self._replies:
                    if not self.is_open:
                        raise PeerGone("the peer closed the connection")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            cut = self._reader.cut()
            self.abort()
            if cut is not None and cut.code:
                return cut
            raise PeerGone(f"no reply within {seconds:g} s") from error
        reply = self._replies.popleft()
        if not reply.is_whole or reply.code == _SERVICE_NOT_AVAILABLE:
            self.abort()
        return reply

    async def send(self, octets: bytes, *, seconds: float) -> None:
        """Send the text of a message as fast as the peer reads it. Raises `PeerGone`."""
        self._write(octets)
        try:
            async with asyncio.timeout(seconds):
                await self._writable.wait()
        except TimeoutError as error:
            self.abort()
            raise PeerGone(f"the peer did not take the message within {seconds:g} s") from error

    async def start_tls(self, context: ssl.SSLContext, name: str, *, seconds: float) -> None:
        """Start TLS after the peer has agreed. Raises `PeerGone`."""
        if self._transport is None or self._replies or not self._reader.is_empty:
            # RFC 3207 4.2: octets in clear behind the reply were injected by a third party.
            self.abort()
            raise PeerGone("the peer spoke before TLS began")
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                self._transport, self, context, server_hostname=name, ssl_handshake_timeout=seconds
            )
        except (OSError, ssl.SSLError, TimeoutError, ValueError) as error:
            self.abort()
            raise PeerGone(f"TLS failed: {error}"[:300]) from error
        if transport is None:
            raise PeerGone("TLS failed")
        self._transport = transport
        self.is_encrypted = True

    def abort(self) -> None:
        """Close the connection at once; nothing more is sent or read."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The transports of some event loops do not derive from `asyncio.Transport`.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def connection_lost(self, error: Exception | None) -> None:
        if (cut := self._reader.cut()) is not None and cut.code:
            self._replies.append(cut)
        self.is_open = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            return
        self._replies.extend(self._reader.feed(data))
        self._changed.set()
        if len(self._replies) > _MAX_UNREAD:
            self.abort()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _write(self, octets: bytes) -> None:
        if self._transport is None or not self.is_open:
            raise PeerGone("the peer closed the connection")
        self._transport.write(octets)

    def _wake(self) -> None:
        self._changed.set()
        self._writable.set()


def _clean(line: str) -> str:
    """A command is one line. Addresses with control characters are refused long before; here they are a bug."""
    if not line.isprintable():
        raise ValueError("a command with a control character")
    return line
