"""A message in flight, and its settlement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from libs.bus.ports import Unavailable
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties, decode_properties
from libs.bus.rabbitmq.subscription import ConsumerChannel
from libs.bus.rabbitmq.topology import dead_queue
from libs.bus.retry_ages import RetryAges
from libs.envelope.model import utc_now

log = structlog.get_logger(__name__)


class DeliveryOwner(Protocol):
    """The consumer of a delivery; it tracks unsettled deliveries and publishes retries and dead letters."""

    queue: str
    unsettled: set[RabbitDelivery]
    retry_ages: RetryAges

    async def publish(self, queue: str, properties: Properties, body: bytes) -> None: ...

    async def publish_retry(self, delay: timedelta, properties: Properties, body: bytes) -> None: ...

    async def publish_isolated(self, properties: Properties, body: bytes) -> None: ...


class RabbitDelivery:
    """A message in flight. When its channel is lost, the broker has requeued it, and it cannot be settled any more."""

    __slots__ = ("_consumer", "_encoded", "_isolated", "_properties", "body", "channel", "settled", "tag")

    def __init__(
        self,
        consumer: DeliveryOwner,
        channel: ConsumerChannel,
        tag: int,
        properties: bytes,
        body: bytes,
        *,
        isolated: bool = False,
    ) -> None:
        self._isolated = isolated
        self._consumer = consumer
        self._encoded = properties
        self._properties: Properties | None = None
        self.channel = channel
        self.tag = tag
        self.body = body
        self.settled = False

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
        self._mark_settled()
        try:
            self.channel.ack(self.tag)
        except Unavailable:
            self.settled = False
            raise
        self._consumer.unsettled.discard(self)

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        properties = messages.for_retry(self.properties, bug=bug)
        content = self.body if body is None else body
        await self._move(lambda: self._consumer.publish_retry(delay, properties, content))
        self._consumer.retry_ages.deferred(self.first_seen, delay, now=utc_now())

    async def dead_letter(self, reason: str) -> None:
        properties = messages.for_dead_letter(self.properties, reason)
        await self._move(lambda: self._consumer.publish(dead_queue(self.queue), properties, self.body))

    async def isolate(self) -> None:
        """Move the message to those that are handled alone, as the same attempt."""
        properties = messages.for_isolation(self.properties)
        await self._move(lambda: self._consumer.publish_isolated(properties, self.body))

    def requeue_unhandled(self) -> None:
        """Requeue a message that no handler has received."""
        if not self.lost and not self.settled:
            self.settled = True
            self.channel.requeue(self.tag)

    async def requeue(self) -> None:
        if self._isolated:
            # A requeued one would count as one that killed its consumer.
            properties = messages.for_isolation(self.properties)
            await self._move(lambda: self._consumer.publish(self.queue, properties, self.body))
            return
        self._mark_settled()
        try:
            self.channel.requeue(self.tag)
        except Unavailable:
            self.settled = False
            raise
        self._consumer.unsettled.discard(self)

    async def _move(self, publish: Callable[[], Awaitable[None]]) -> None:
        """Publish the message elsewhere, then acknowledge it here: it is durable at any moment."""
        self._mark_settled()
        try:
            self.channel.ensure_open()
            await publish()
        except BaseException:
            self.settled = False
            raise
        self._consumer.unsettled.discard(self)
        if self.channel.closed:
            # It is in both places now. An error would only cause a third copy.
            log.warning("message_moved_without_ack", queue=self.queue)
        else:
            self.channel.ack(self.tag)

    def _mark_settled(self) -> None:
        if self.settled:
            raise RuntimeError(f"this delivery of {self.queue} was already settled")
        self.settled = True
