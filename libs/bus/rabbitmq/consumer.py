"""Consuming work queues: a task for each delivery, at most `prefetch` at a time, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from libs.bus import dispatch
from libs.bus.ports import BUG_TRIES, Delivery, Unavailable
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties, decode_properties
from libs.bus.rabbitmq.link import Link
from libs.bus.rabbitmq.publisher import NoQueue
from libs.bus.rabbitmq.subscription import ConsumeChannel, Subscription
from libs.bus.rabbitmq.topology import dead_queue, rung_queue
from libs.bus.rabbitmq.wire import Wire
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

Handler = Callable[[Delivery], Awaitable[None]]


class Publishes(Protocol):
    """Where retries and dead letters go."""

    async def to_queue(self, queue: str, properties: Properties, body: bytes) -> None: ...


class RabbitConsumer:
    """A running subscription; owns the task of each handler that it started."""

    def __init__(
        self,
        link: Link,
        declare: Callable[[Wire], Awaitable[str]],
        handler: Handler,
        *,
        queue: str,
        prefetch: int,
        outgoing: Publishes,
        declare_rung: Callable[[str, timedelta], Awaitable[None]],
        ladder: Sequence[timedelta],
        delivery_limit: int,
        timeout: timedelta,
    ) -> None:
        self.queue = queue
        self.outgoing = outgoing
        self.ladder = ladder
        self._declare_rung = declare_rung
        self._handler = handler
        self._prefetch = prefetch
        self._delivery_limit = delivery_limit
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._parked: deque[RabbitDelivery] = deque()
        self._stopped = False
        self.in_hand = 0
        self.subscription = Subscription(link, declare, self._arrived, prefetch=prefetch, no_ack=False, timeout=timeout)

    async def stop(self) -> None:
        self._stopped = True
        await self.subscription.stop()
        self._give_back_parked()

    async def cancel(self) -> None:
        """Stop, and end the handlers that still run; their deliveries go back."""
        self._stopped = True
        await cancelled(self._tasks)
        await self.subscription.close()

    async def put_on_ladder(self, delay: timedelta, properties: Properties, body: bytes) -> None:
        """On the lowest rung of the queue's own ladder that is not shorter than `delay`."""
        rung = dispatch.rung(self.ladder, delay)
        try:
            await self.outgoing.to_queue(rung_queue(self.queue, rung), properties, body)
        except NoQueue:
            await self._declare_rung(self.queue, rung)
            await self.outgoing.to_queue(rung_queue(self.queue, rung), properties, body)

    def _arrived(self, channel: ConsumeChannel, tag: int, properties: bytes, body: bytes) -> None:
        delivery = RabbitDelivery(self, channel, tag, properties, body)
        if self._stopped:
            channel.requeue(tag)
        elif len(self._tasks) >= self._prefetch:
            # Handlers of a lost channel still run to their end; the redelivered messages wait for them.
            self._parked.append(delivery)
        else:
            self._start(delivery)

    def _start(self, delivery: RabbitDelivery) -> None:
        self.in_hand += 1
        task = self._loop.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _handle(self, delivery: RabbitDelivery) -> None:
        await dispatch.hand_over(
            self._handler, delivery, ladder=self.ladder, limit=min(BUG_TRIES, self._delivery_limit)
        )

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        while self._parked and len(self._tasks) < self._prefetch:
            delivery = self._parked.popleft()
            if not delivery.lost:
                self._start(delivery)

    def _give_back_parked(self) -> None:
        while self._parked:
            delivery = self._parked.popleft()
            if not delivery.lost:
                delivery.channel.requeue(delivery.tag)


class RabbitDelivery:
    """One message in hand. When its channel is lost the broker has taken it back, and nothing can end it any more."""

    __slots__ = ("_consumer", "_encoded", "_properties", "body", "channel", "ended", "tag")

    def __init__(
        self, consumer: RabbitConsumer, channel: ConsumeChannel, tag: int, properties: bytes, body: bytes
    ) -> None:
        self._consumer = consumer
        self._encoded = properties
        self._properties: Properties | None = None
        self.channel = channel
        self.tag = tag
        self.body = body
        self.ended = False

    @property
    def queue(self) -> str:
        return self._consumer.queue

    @property
    def lost(self) -> bool:
        return self.channel.closed

    @property
    def properties(self) -> Properties:
        if self._properties is None:
            self._properties = decode_properties(self._encoded)
        return self._properties

    @property
    def headers(self) -> Mapping[str, str]:
        return messages.own_headers(self.properties)

    @property
    def attempt(self) -> int:
        return messages.attempt(self.properties)

    @property
    def bugs(self) -> int:
        return messages.bugs(self.properties)

    @property
    def first_seen(self) -> datetime:
        return datetime.fromtimestamp(self.properties.timestamp, UTC)

    async def ack(self) -> None:
        self._end()
        try:
            self.channel.ack(self.tag)
        except Unavailable:
            self.ended = False
            raise
        self._consumer.in_hand -= 1

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        properties = messages.again(self.properties, bug=bug)
        content = self.body if body is None else body
        await self._move(lambda: self._consumer.put_on_ladder(delay, properties, content))

    async def bury(self, reason: str) -> None:
        properties = messages.buried(self.properties, reason)
        await self._move(lambda: self._consumer.outgoing.to_queue(dead_queue(self.queue), properties, self.body))

    async def release(self) -> None:
        self._end()
        try:
            self.channel.requeue(self.tag)
        except Unavailable:
            self.ended = False
            raise
        self._consumer.in_hand -= 1

    async def _move(self, publish: Callable[[], Awaitable[None]]) -> None:
        """It is durable elsewhere before it goes from here."""
        self._end()
        try:
            self.channel.ensure_open()
            await publish()
        except BaseException:
            self.ended = False
            raise
        self._consumer.in_hand -= 1
        if self.channel.closed:
            # It is in both places now. Raising would only make a third copy.
            log.warning("moved_but_not_acknowledged", queue=self.queue)
        else:
            self.channel.ack(self.tag)

    def _end(self) -> None:
        if self.ended:
            raise RuntimeError(f"this delivery of {self.queue} was already ended")
        self.ended = True
