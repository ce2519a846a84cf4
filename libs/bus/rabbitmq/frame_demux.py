"""Demultiplexes the frames of a connection between the channels of this library and those of aio-pika.

aio-pika reads its bytes from an `asyncio.StreamReader`. This protocol stands in front of it, splits the stream into
frames, and passes on only those of channels that aio-pika opened itself.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

import structlog
from aiormq.connection import TransportFactory
from yarl import URL

from libs.bus.rabbitmq.codec import (
    CONNECTION_BLOCKED,
    CONNECTION_CLOSE,
    CONNECTION_UNBLOCKED,
    FRAME_END,
    METHOD,
    unmarshal_method,
)

log = structlog.get_logger(__name__)

_FRAME = struct.Struct(">BHI")
_CLASS_AND_METHOD = struct.Struct(">I")
_HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
# No broker sends frames as large as this; a larger size means a corrupt stream.
MAX_FRAME = 16 << 20
FIRST_OWN_CHANNEL = 1024


class FrameSink(Protocol):
    """Receives the frames of one channel."""

    def frame(self, kind: int, buffer: bytes, start: int, end: int) -> None:
        """Handle one frame, whose payload is `buffer[start:end]`."""

    def lost(self) -> None:
        """Handle the loss of the connection."""


class FrameDemux(asyncio.StreamReaderProtocol):
    """Reads frames for both, and writes those of our channels: once for all that are sent in one turn of the loop."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self._loop = loop
        self._rest = b""
        self._sinks: dict[int, FrameSink] = {}
        self._numbers = itertools.cycle(range(FIRST_OWN_CHANNEL, 2 * FIRST_OWN_CHANNEL))
        self._unsent: list[bytes] = []
        self._socket: asyncio.Transport | None = None
        self.blocked = False
        self.close_reason = ""
        self.on_blocked: Callable[[bool], None] | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        self.received_at = self._passed_at = loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have its methods without being of its class.
        self._socket = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        sinks, self._sinks = self._sinks, {}
        for sink in sinks.values():
            sink.lost()
        if not self.closed.done():
            self.closed.set_result(None)

    def abort(self) -> None:
        """Abort the connection at once; a peer that does not answer cannot delay it."""
        if self._socket is not None:
            self._socket.abort()

    # Our channels

    def attach(self, sink: FrameSink) -> int:
        """Return a channel number for `sink`; the number of a closed channel is not reused soon."""
        number = next(n for n in self._numbers if n not in self._sinks)
        self._sinks[number] = sink
        return number

    def detach(self, number: int) -> None:
        self._sinks.pop(number, None)

    @property
    def unsent_bytes(self) -> int:
        """The bytes that the broker has not read yet."""
        return 0 if self._socket is None else self._socket.get_write_buffer_size()

    def send(self, pieces: Iterable[bytes]) -> None:
        """Write whole frames."""
        if not self._unsent:
            self._loop.call_soon(self.flush)
        self._unsent += pieces

    def flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and self._socket is not None and not self._socket.is_closing():
            self._socket.write(b"".join(unsent))

    # Reading

    def data_received(self, data: bytes) -> None:
        self.received_at = self._loop.time()
        buffer = self._rest + data if self._rest else data
        try:
            self._rest = buffer[self._split(buffer) :]
        except Exception:
            # A malformed frame leaves the stream in an unknown state.
            log.exception("amqp_stream_broken")
            self._rest = b""
            self.abort()

    def _split(self, buffer: bytes) -> int:
        """Dispatch the complete frames in `buffer`, and return where the unfinished one begins."""
        at, length = 0, len(buffer)
        if buffer[:4] == b"AMQP":
            # AMQP 0-9-1 4.2.2: a server that speaks another version answers with its protocol header and closes.
            super().data_received(buffer)
            return length
        while length - at >= 8:
            kind, channel, size = _FRAME.unpack_from(buffer, at)
            end = at + 7 + size
            if end >= length:
                if size > MAX_FRAME:
                    raise ValueError(f"a frame of {size} bytes")
                break
            if buffer[end] != FRAME_END[0]:
                raise ValueError("a frame without its end")
            sink = self._sinks.get(channel)
            if sink is not None:
                sink.frame(kind, buffer, at + 7, end)
            else:
                self._pass_on(kind, channel, buffer[at : end + 1])
            at = end + 1
        self._keep_alive()
        return at

    def _pass_on(self, kind: int, channel: int, frame: bytes) -> None:
        if channel >= FIRST_OWN_CHANNEL:
            return  # the last frames of a closed channel of this library
        if channel == 0 and kind == METHOD:
            self._watch(_CLASS_AND_METHOD.unpack_from(frame, 7)[0], frame)
        self._passed_at = self.received_at
        super().data_received(frame)

    def _watch(self, method: int, frame: bytes) -> None:
        """Note what the broker says about the connection itself."""
        if method == CONNECTION_CLOSE:
            close = unmarshal_method(frame[7:-1])
            self.close_reason = f"{close.reply_code} {close.reply_text}"
        elif method in (CONNECTION_BLOCKED, CONNECTION_UNBLOCKED):
            self.blocked = method == CONNECTION_BLOCKED
            if self.on_blocked is not None:
                self.on_blocked(self.blocked)

    def _keep_alive(self) -> None:
        """Give aio-pika a heartbeat: the broker sends none while it sends frames, and aio-pika does not see ours."""
        if self.received_at - self._passed_at > 5.0:
            self._passed_at = self.received_at
            super().data_received(_HEARTBEAT)


class DemuxTransportFactory(TransportFactory):
    """Creates the transport of an aio-pika connection, and keeps its demultiplexer."""

    def __init__(self) -> None:
        self.demux: FrameDemux | None = None

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect. Raises `OSError`."""
        provider = options.pop("ssl_context_provider")
        context = await provider.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        demux = FrameDemux(reader, loop)
        transport, _ = await loop.create_connection(
            lambda: demux, url.host or "", url.port or 0, ssl=context, **options
        )
        self.demux = demux
        return reader, asyncio.StreamWriter(transport, demux, reader, loop)
