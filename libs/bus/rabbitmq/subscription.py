"""A subscription that survives the loss of its channel: it declares its queue and consumes again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from pamqp import commands

from libs.bus.ports import Refused, Unavailable
from libs.bus.rabbitmq import codec
from libs.bus.rabbitmq.channel import AmqpChannel
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.bus.rabbitmq.frame_demux import FrameDemux
from libs.bus.rabbitmq.link import FIRST_PAUSE, LONGEST_PAUSE, Link
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

# The arguments: channel, delivery tag, encoded properties, body.
OnDelivery = Callable[["ConsumerChannel", int, bytes, bytes], None]


class ConsumerChannel(AmqpChannel):
    """A channel that consumes a queue."""

    def __init__(self, demux: FrameDemux, arrived: OnDelivery, *, timeout: timedelta) -> None:
        super().__init__(demux, timeout=timeout)
        self._arrived = arrived

    async def consume(self, queue: str, *, prefetch: int, no_ack: bool = False, tag: str = "c") -> None:
        """Consume with at most `prefetch` unacknowledged deliveries for the consumer `tag` of this channel."""
        await self.call(commands.Basic.Qos(prefetch_count=prefetch))
        await self.call(commands.Basic.Consume(queue=queue, consumer_tag=tag, no_ack=no_ack))

    async def get(self, queue: str) -> tuple[int, bytes, bytes] | None:
        """Get one message (delivery tag, encoded properties, body); None if the queue is empty."""
        reply = await self.call(commands.Basic.Get(queue=queue))
        return reply if isinstance(reply, tuple) else None

    async def cancel(self, tag: str = "c") -> None:
        """Stop deliveries; those that arrived can still be acknowledged."""
        await self.call(commands.Basic.Cancel(consumer_tag=tag))

    def ack(self, tag: int) -> None:
        self.ensure_open()
        self._demux.send((codec.ack(self._number, tag),))

    def requeue(self, tag: int, *, multiple: bool = False) -> None:
        self.ensure_open()
        self._demux.send((codec.requeue(self._number, tag, multiple=multiple),))

    def received(self, method: int, buffer: bytes, start: int, end: int) -> bool:
        if method != codec.CANCEL:
            return False
        self.drop("the broker cancelled the consumer: its queue was deleted or moved")
        return True

    def content_received(self, method: int, arguments: bytes, properties: bytes, body: bytes) -> None:
        if method == codec.GET_OK:
            self.replied((int.from_bytes(arguments[:8], "big"), properties, body))
        else:
            self._arrived(self, codec.delivery_tag(arguments, 0), properties, body)


class Subscription:
    """Owns the task that keeps a `ConsumerChannel` open. `declare` declares the queue and returns its name."""

    def __init__(
        self,
        link: Link,
        declare: Callable[[AmqpConnection], Awaitable[str]],
        arrived: OnDelivery,
        *,
        prefetch: int,
        no_ack: bool,
        timeout: timedelta,
    ) -> None:
        self.channel: ConsumerChannel | None = None
        self._link = link
        self._declare = declare
        self._arrived = arrived
        self._prefetch = prefetch
        self._no_ack = no_ack
        self._timeout = timeout
        loop = asyncio.get_running_loop()
        self._first: asyncio.Future[None] = loop.create_future()
        self._task = loop.create_task(self._run())

    async def first(self) -> None:
        """Wait for the first time that it consumes. Raises `Unavailable`, `Refused`."""
        await asyncio.wait({self._first}, timeout=self._timeout.total_seconds())
        if not self._first.done():
            raise Unavailable("the broker cannot be reached")
        self._first.result()

    async def stop(self) -> None:
        """Stop deliveries; the channel stays open for those that arrived."""
        await self._end_task()
        if self.channel is not None and not self.channel.closed:
            try:
                await self.channel.cancel()
            except (Unavailable, Refused) as error:
                log.info("consumer_cancel_failed", reason=error.reason)

    async def close(self) -> None:
        """Close the channel; unacknowledged messages are requeued."""
        await self._end_task()
        if self.channel is not None:
            await self.channel.close()

    async def _end_task(self) -> None:
        await cancelled([self._task])

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            connection = await self._link.connection()
            channel = ConsumerChannel(connection.demux, self._arrived, timeout=self._timeout)
            try:
                queue = await self._declare(connection)
                await channel.open()
                await channel.consume(queue, prefetch=self._prefetch, no_ack=self._no_ack)
            except Exception as error:
                channel.drop("not consuming")
                if isinstance(error, Unavailable | Refused):
                    log.warning("consume_failed", reason=error.reason, again_in_seconds=pause)
                else:
                    # A bug must not leave the queue without its consumer silently.
                    log.exception("consume_failed", again_in_seconds=pause)
                self._settle_first(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            self.channel = channel
            self._settle_first(None)
            await channel.ended
            log.warning("consumer_lost", reason=channel.close_reason)

    def _settle_first(self, error: Exception | None) -> None:
        if self._first.done():
            return
        if error is None:
            self._first.set_result(None)
        else:
            self._first.set_exception(error)
            self._first.exception()
