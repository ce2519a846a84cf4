"""An AMQP channel: opening, closing, calls, and the assembly of contents from their frames."""

from __future__ import annotations

import asyncio
import struct
from datetime import timedelta
from typing import Any

import structlog
from pamqp import commands
from pamqp.base import Frame

from libs.bus.ports import NotPublished, Refused, Unavailable
from libs.bus.rabbitmq import codec
from libs.bus.rabbitmq.frame_demux import FrameDemux

log = structlog.get_logger(__name__)

_CLASS_AND_METHOD = struct.Struct(">I")
_BODY_SIZE = struct.Struct(">Q")


class AmqpChannel:
    """Subclasses get the methods of the broker in `received` and whole contents in `content_received`.

    Everything but `call` is synchronous: it runs in the turn of the loop that read the frame.
    """

    def __init__(self, demux: FrameDemux, *, timeout: timedelta) -> None:
        self.closed = False
        self.close_reason = ""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._demux = demux
        self._timeout = timeout.total_seconds()
        self._number = demux.attach(self)
        self._reply: asyncio.Future[Any] | None = None
        self._calling = asyncio.Lock()
        self._method: tuple[int, bytes] = (0, b"")
        self._properties = b""
        self._pieces: list[bytes] = []
        self._missing = 0

    async def open(self) -> None:
        await self.call(commands.Channel.Open())

    async def close(self) -> None:
        """Close the channel; unacknowledged messages are requeued. Waits for the broker at most for the time-out."""
        if self.closed:
            return
        try:
            await self.call(commands.Channel.Close(reply_code=200, reply_text="", class_id=0, method_id=0))
        except (Unavailable, Refused) as error:
            log.info("channel_close_failed", reason=error.reason)
        self._end("closed")

    def drop(self, reason: str) -> None:
        """Close without waiting for the broker's reply."""
        if not self.closed:
            request = commands.Channel.Close(reply_code=200, reply_text="", class_id=0, method_id=0)
            self._demux.send([codec.method(self._number, request)])
            self._end(reason)

    async def call(self, request: Frame) -> Any:
        """Send a method and wait for its reply. Raises `Unavailable`, or `Refused` if the broker closes the channel."""
        async with self._calling:
            self.ensure_open()
            self._reply = asyncio.get_running_loop().create_future()
            self._demux.send([codec.method(self._number, request)])
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._reply
            except TimeoutError as error:
                raise Unavailable(f"the broker did not answer {request.name} in {self._timeout:g} s") from error
            finally:
                answered, self._reply = self._reply.done() and not self._reply.cancelled(), None
                if not answered:
                    # A late reply would look like the reply to the next call.
                    self.drop(f"no reply to {request.name}")

    def ensure_open(self) -> None:
        """Raises `NotPublished`."""
        if self.closed:
            raise NotPublished(f"the channel is closed: {self.close_reason}")

    # For subclasses

    def received(self, method: int, buffer: bytes, start: int, end: int) -> bool:
        """Handle a method with its arguments at `buffer[start:end]`; False if it is the reply to a call."""
        return False

    def content_received(self, method: int, arguments: bytes, properties: bytes, body: bytes) -> None:
        """Handle a method with its content."""

    def on_end(self) -> None:
        """Handle the end of the channel: nothing more is received or sent."""

    def replied(self, reply: Any) -> None:
        """Complete the call in flight."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)

    # Called by the demultiplexer

    def lost(self) -> None:
        self._end("the connection is lost")

    def frame(self, kind: int, buffer: bytes, start: int, end: int) -> None:
        if kind == codec.METHOD:
            (method,) = _CLASS_AND_METHOD.unpack_from(buffer, start)
            if method in (codec.DELIVER, codec.RETURN, codec.GET_OK):
                self._method = (method, buffer[start + 4 : end])
            elif method == codec.CHANNEL_CLOSE:
                self._closed_by_broker(buffer[start:end])
            elif not self.received(method, buffer, start + 4, end):
                self.replied(codec.unmarshal_method(buffer[start:end]))
        elif kind == codec.HEADER:
            (self._missing,) = _BODY_SIZE.unpack_from(buffer, start + 4)
            self._properties = buffer[start + 12 : end]
            if not self._missing:
                self._complete(b"")
        elif kind == codec.BODY:
            self._body(buffer[start:end])

    def _body(self, piece: bytes) -> None:
        self._missing -= len(piece)
        if self._missing > 0:
            self._pieces.append(piece)
        elif self._pieces:
            pieces, self._pieces = self._pieces, []
            self._complete(b"".join((*pieces, piece)))
        else:
            self._complete(piece)

    def _complete(self, body: bytes) -> None:
        method, arguments = self._method
        self.content_received(method, arguments, self._properties, body)

    def _closed_by_broker(self, payload: bytes) -> None:
        close = codec.unmarshal_method(payload)
        self._demux.send([codec.method(self._number, commands.Channel.CloseOk())])
        reason = f"{close.reply_code} {close.reply_text}"
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(Refused(f"the broker refused: {reason}"))
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self.closed:
            return
        self.closed, self.close_reason = True, reason
        self._demux.detach(self._number)
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(Unavailable(f"the channel is closed: {reason}"))
        self.on_end()
        if not self.ended.done():
            self.ended.set_result(None)
