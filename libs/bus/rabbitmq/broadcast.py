"""Broadcast subscribers on RabbitMQ: an exclusive queue for each, declared anew on each connection."""

from __future__ import annotations

from datetime import timedelta

from libs.bus.ports import Event
from libs.bus.rabbitmq.codec import decode_properties
from libs.bus.rabbitmq.link import Link
from libs.bus.rabbitmq.subscription import ConsumerChannel, Subscription
from libs.bus.rabbitmq.topology import declare_broadcast_queue
from libs.bus.subscribers import EVENT_HEADER, BroadcastSubscriber


class RabbitBroadcastSubscriber:
    """Receives broadcast events; events emitted while it is not connected are lost for it."""

    def __init__(self, link: Link, subscriber: BroadcastSubscriber, *, timeout: timedelta) -> None:
        self._subscriber = subscriber
        self._subscription = Subscription(
            link,
            lambda connection: declare_broadcast_queue(connection, subscriber.names),
            self._arrived,
            prefetch=0,
            no_ack=True,
            timeout=timeout,
        )

    async def first(self) -> None:
        await self._subscription.first()

    async def stop(self) -> None:
        await self._subscription.close()
        await self._subscriber.stop()

    async def cancel(self) -> None:
        await self._subscription.close()
        await self._subscriber.cancel()

    def _arrived(self, channel: ConsumerChannel, tag: int, properties: bytes, body: bytes) -> None:
        name = decode_properties(properties).headers.get(EVENT_HEADER, "")
        self._subscriber.put(Event(str(name), body))
