"""Consumes work queues: a task for each delivery, at most `prefetch` at a time, across reconnections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from libs.bus import dispatch
from libs.bus.isolation import IsolationGate
from libs.bus.ports import Delivery
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties, decode_properties
from libs.bus.rabbitmq.confirm_channel import NoQueue
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.bus.rabbitmq.delivery import RabbitDelivery
from libs.bus.rabbitmq.link import Link
from libs.bus.rabbitmq.publisher import Publisher
from libs.bus.rabbitmq.subscription import ConsumerChannel, Subscription
from libs.bus.rabbitmq.topology import isolation_queue, retry_queue
from libs.bus.retry_ages import RetryAges
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

Handler = Callable[[Delivery], Awaitable[None]]

# Searched in the encoded properties, since most messages were never redelivered.
_DELIVERY_COUNT = messages.DELIVERY_COUNT.encode()
ISOLATE_AGAIN = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class ConsumerContext:
    """What the consumers of one bus share: the publisher, the declarations, and the gate of isolation."""

    publisher: Publisher
    declare_retry_queue: Callable[[str, timedelta], Awaitable[None]]
    declare_isolation_queue: Callable[[str], Awaitable[None]]
    on_isolated: Callable[[str], None]  # called with the queue of the message
    isolation: IsolationGate
    retry_delays: Sequence[timedelta]
    max_bug_attempts: int


class RabbitConsumer:
    """A running subscription; owns the task of each handler that it started."""

    def __init__(
        self,
        link: Link,
        declare: Callable[[AmqpConnection], Awaitable[str]],
        handler: Handler,
        *,
        queue: str,
        prefetch: int,
        context: ConsumerContext,
        timeout: timedelta,
    ) -> None:
        self.queue = queue
        self.context = context
        self.stopped = False
        self.unsettled: set[RabbitDelivery] = set()
        self.retry_ages = RetryAges()
        self._last = b""  # the encoded properties of the last message received
        self._handler = handler
        self._prefetch = prefetch
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._moves: set[asyncio.Task[None]] = set()
        self._deferred: deque[RabbitDelivery] = deque()
        context.isolation.on_reopen(self._start_deferred)
        self.subscription = Subscription(link, declare, self._arrived, prefetch=prefetch, no_ack=False, timeout=timeout)

    @property
    def in_flight(self) -> int:
        return sum(not delivery.lost for delivery in self.unsettled)

    def oldest(self, now: datetime) -> datetime | None:
        """The first publication of the oldest message that is in flight, or waits for a retry."""
        moments = [delivery.first_seen for delivery in self.unsettled if not delivery.lost]
        if (deferred := self.retry_ages.oldest(now)) is not None:
            moments.append(deferred)
        return min(moments, default=None)

    def last_arrival(self) -> datetime | None:
        """The first publication of the last message received: those that wait behind it are hardly older."""
        return datetime.fromtimestamp(decode_properties(self._last).timestamp, UTC) if self._last else None

    async def stop(self) -> None:
        self.stopped = True
        await self.subscription.stop()
        while self._deferred:
            self._deferred.popleft().requeue_unhandled()

    async def cancel(self) -> None:
        """Stop, and cancel running handlers; their deliveries are requeued."""
        self.stopped = True
        await cancelled([*self._tasks, *self._moves])
        await self.subscription.close()

    async def publish(self, queue: str, properties: Properties, body: bytes) -> None:
        """Publish a message whose delivery is about to be settled, with confirmation."""
        await self.context.publisher.to_queue(queue, properties, body)

    async def publish_retry(self, delay: timedelta, properties: Properties, body: bytes) -> None:
        """Publish to the retry queue with the shortest delay that is not below `delay`."""
        step = dispatch.delay_step(self.context.retry_delays, delay)
        try:
            await self.context.publisher.to_queue(retry_queue(self.queue, step), properties, body)
        except NoQueue:
            await self.context.declare_retry_queue(self.queue, step)
            await self.context.publisher.to_queue(retry_queue(self.queue, step), properties, body)

    async def publish_isolated(self, properties: Properties, body: bytes) -> None:
        """Publish to the queue of messages that are handled alone."""
        try:
            await self.context.publisher.to_queue(isolation_queue(self.queue), properties, body)
        except NoQueue:
            await self.context.declare_isolation_queue(isolation_queue(self.queue))
            await self.context.publisher.to_queue(isolation_queue(self.queue), properties, body)
        self.context.on_isolated(self.queue)

    async def handle_isolated(self, delivery: RabbitDelivery) -> None:
        """Handle `delivery`, and return when its handler is done. The caller ensures that nothing else is in flight."""
        self.unsettled.add(delivery)
        task = self._loop.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task})

    def _arrived(self, channel: ConsumerChannel, tag: int, properties: bytes, body: bytes) -> None:
        delivery, self._last = RabbitDelivery(self, channel, tag, properties, body), properties
        if self.stopped:
            channel.requeue(tag)
        elif _DELIVERY_COUNT in properties and messages.redeliveries(delivery.properties):
            self._isolate(delivery)
        elif len(self._tasks) >= self._prefetch or self.context.isolation.closed:
            # Handlers of a lost channel still run to their end; redelivered messages wait for them.
            self._deferred.append(delivery)
        else:
            self._start(delivery)

    def _start(self, delivery: RabbitDelivery) -> None:
        self.unsettled.add(delivery)
        self.context.isolation.begin()
        task = self._loop.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _handle(self, delivery: RabbitDelivery) -> None:
        try:
            await dispatch.run_handler(
                self._handler, delivery, retry_delays=self.context.retry_delays, limit=self.context.max_bug_attempts
            )
        finally:
            if delivery.lost:
                self.unsettled.discard(delivery)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.context.isolation.end()
        self._start_deferred()

    def _start_deferred(self) -> None:
        while self._deferred and len(self._tasks) < self._prefetch and not self.context.isolation.closed:
            delivery = self._deferred.popleft()
            if not delivery.lost:
                self._start(delivery)

    def _isolate(self, delivery: RabbitDelivery) -> None:
        """Isolate a message that was in flight when a consumer died: it may have killed the consumer."""
        self.unsettled.add(delivery)
        task = self._loop.create_task(self._move_to_isolation(delivery))
        self._moves.add(task)
        task.add_done_callback(self._moves.discard)

    async def _move_to_isolation(self, delivery: RabbitDelivery) -> None:
        while not delivery.lost and not self.stopped:
            try:
                await delivery.isolate()
                return
            except Exception as error:
                # Never requeued: the broker counts that, and would dead-letter it for an outage.
                log.warning("isolation_failed", queue=self.queue, error=str(error))
                await asyncio.sleep(ISOLATE_AGAIN)
        self.unsettled.discard(delivery)
        delivery.requeue_unhandled()
