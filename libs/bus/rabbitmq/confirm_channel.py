"""Publishes with confirms: many messages in flight on one channel, each with a time limit of its own."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from pamqp import commands

from libs.bus.ports import NotPublished, Refused, Unavailable
from libs.bus.rabbitmq import codec
from libs.bus.rabbitmq.channel import AmqpChannel
from libs.bus.rabbitmq.codec import Properties
from libs.bus.rabbitmq.frame_demux import FrameDemux

log = structlog.get_logger(__name__)

# A broker with an alarm stops reading: unsent messages stay in memory, which needs a bound.
MAX_UNSENT_BYTES = 16 << 20


class NoQueue(Refused):
    """Raised when the broker returns a message, since its queue does not exist."""


class Nacked(Refused):
    """Raised after a nack, which does not distinguish a full queue from one without a majority of its nodes."""


class ConfirmChannel(AmqpChannel):
    """A channel in confirm mode. `publish` returns when a majority of the nodes has the message."""

    def __init__(self, demux: FrameDemux, *, timeout: timedelta, frame_size: int) -> None:
        super().__init__(demux, timeout=timeout)
        self._frame_size = frame_size
        self._loop = asyncio.get_running_loop()
        self._last_tag = 0
        # By delivery tag, oldest first: future, message id, when it was sent (loop time).
        self._unconfirmed: dict[int, tuple[asyncio.Future[None], str, float]] = {}
        self._returned: dict[str, str] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        # The time of the loop since which the broker has refused every message; None while it accepts some.
        self.nacking_since: float | None = None

    async def open(self) -> None:
        await super().open()
        await self.call(commands.Confirm.Select())

    async def publish(
        self, exchange: str, routing_key: str, properties: Properties, body: bytes, *, mandatory: bool = True
    ) -> None:
        """Publish a message. Raises `NoQueue`, `Nacked`, `NotPublished` (not sent), `Unavailable` (outcome unknown)."""
        self.ensure_open()
        if self._demux.unsent_bytes > MAX_UNSENT_BYTES:
            raise NotPublished("the broker does not read what is sent to it")
        pieces = codec.content(self._number, properties, body, frame_size=self._frame_size)
        pieces.insert(0, codec.publish_method(self._number, exchange, routing_key, mandatory))
        future: asyncio.Future[None] = self._loop.create_future()
        self._last_tag += 1
        self._unconfirmed[self._last_tag] = (future, properties.message_id, self._loop.time())
        self._demux.send(pieces)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._timeout, self._sweep)
        await future

    def received(self, method: int, buffer: bytes, start: int, end: int) -> bool:
        if method not in (codec.ACK, codec.NACK):
            return False
        tag, multiple = codec.confirmed(buffer, start)
        nacked = method == codec.NACK
        if not nacked:
            self.nacking_since = None
        elif self.nacking_since is None:
            self.nacking_since = self._loop.time()
        for settled in self._up_to(tag) if multiple else (tag,):
            self._settle(settled, nacked)
        return True

    def content_received(self, method: int, arguments: bytes, properties: bytes, body: bytes) -> None:
        # Basic.Return comes before the Basic.Ack of the same message, which alone would look like success.
        code = int.from_bytes(arguments[:2], "big")
        text = arguments[3 : 3 + arguments[2]].decode(errors="replace")
        self._returned[codec.decode_properties(properties).message_id] = f"{code} {text}"

    def on_end(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for future, _, _ in self._unconfirmed.values():
            if not future.done():
                future.set_exception(Unavailable(f"not confirmed: {self.close_reason}"))
        self._unconfirmed.clear()

    def _up_to(self, tag: int) -> list[int]:
        tags = []
        for unconfirmed in self._unconfirmed:
            if unconfirmed > tag:
                break
            tags.append(unconfirmed)
        return tags

    def _settle(self, tag: int, nacked: bool) -> None:
        entry = self._unconfirmed.pop(tag, None)
        if entry is None:
            return
        future, message_id, _ = entry
        returned = self._returned.pop(message_id, "") if self._returned else ""
        if future.done():
            return
        if returned:
            future.set_exception(NoQueue(f"the broker refused the message: {returned}"))
        elif nacked:
            future.set_exception(Nacked("the broker refused the message (nack)"))
        else:
            future.set_result(None)

    def _sweep(self) -> None:
        """Fail the publications beyond the time limit; one timer serves all, since the oldest comes first."""
        self._sweeper = None
        now = self._loop.time()
        for future, _, sent_at in self._unconfirmed.values():
            if not future.done():
                if now < sent_at + self._timeout:
                    self._sweeper = self._loop.call_at(sent_at + self._timeout, self._sweep)
                    return
                future.set_exception(Unavailable(f"the broker did not confirm in {self._timeout:g} s"))
        if self._unconfirmed and self._demux.received_at < now - self._timeout and not self._demux.blocked:
            # No frame in all that time: another node, or the same one after its restart, answers sooner.
            log.warning("broker_timed_out", seconds=self._timeout)
            self._demux.abort()
