"""One message in hand, and its ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from libs.bus.ports import Unavailable
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties, decode_properties
from libs.bus.rabbitmq.subscription import ConsumeChannel
from libs.bus.rabbitmq.topology import dead_queue
from libs.envelope.model import utc_now

if TYPE_CHECKING:
    from libs.bus.rabbitmq.consumer import RabbitConsumer

log = structlog.get_logger(__name__)


class RabbitDelivery:
    """One message in hand. When its channel is lost the broker has taken it back, and nothing can end it any more."""

    __slots__ = ("_alone", "_consumer", "_encoded", "_properties", "body", "channel", "ended", "tag")

    def __init__(
        self,
        consumer: RabbitConsumer,
        channel: ConsumeChannel,
        tag: int,
        properties: bytes,
        body: bytes,
        *,
        alone: bool = False,
    ) -> None:
        self._alone = alone
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
        self._consumer.unended.discard(self)

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        properties = messages.again(self.properties, bug=bug)
        content = self.body if body is None else body
        await self._move(lambda: self._consumer.put_on_ladder(delay, properties, content))
        self._consumer.ages.deferred(self.first_seen, delay, now=utc_now())

    async def bury(self, reason: str) -> None:
        properties = messages.buried(self.properties, reason)
        await self._move(lambda: self._consumer.beside.outgoing.to_queue(dead_queue(self.queue), properties, self.body))

    async def set_aside(self) -> None:
        """To those that are handled alone, as the same attempt."""
        properties = messages.set_aside(self.properties)
        await self._move(lambda: self._consumer.put_aside(properties, self.body))

    def give_back(self) -> None:
        """Without a word to its handler, which never saw it."""
        if not self.lost and not self.ended:
            self.ended = True
            self.channel.requeue(self.tag)

    async def release(self) -> None:
        if self._alone:
            # Requeued it would count as one that killed its consumer.
            properties = messages.set_aside(self.properties)
            await self._move(lambda: self._consumer.beside.outgoing.to_queue(self.queue, properties, self.body))
            return
        self._end()
        try:
            self.channel.requeue(self.tag)
        except Unavailable:
            self.ended = False
            raise
        self._consumer.unended.discard(self)

    async def _move(self, publish: Callable[[], Awaitable[None]]) -> None:
        """It is durable elsewhere before it goes from here."""
        self._end()
        try:
            self.channel.ensure_open()
            await publish()
        except BaseException:
            self.ended = False
            raise
        self._consumer.unended.discard(self)
        if self.channel.closed:
            # It is in both places now. Raising would only make a third copy.
            log.warning("moved_but_not_acknowledged", queue=self.queue)
        else:
            self.channel.ack(self.tag)

    def _end(self) -> None:
        if self.ended:
            raise RuntimeError(f"this delivery of {self.queue} was already ended")
        self.ended = True
