"""The publishing side: a connection of its own, since an alarm of the broker stops those that publish."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from libs.bus.ports import MAX_MESSAGE_BYTES, NotTaken, Refused
from libs.bus.rabbitmq.codec import Properties
from libs.bus.rabbitmq.link import Link
from libs.bus.rabbitmq.publisher import ConfirmChannel
from libs.bus.rabbitmq.wire import Wire


class Outgoing:
    """Two channels in confirm mode: one for the queues; one for exchanges, since a missing one closes its channel."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Wire]],
        prepare: Callable[[Wire], Awaitable[None]],
        *,
        timeout: timedelta,
        heartbeat: timedelta,
        patience: timedelta,
    ) -> None:
        self._prepare = prepare
        self._timeout = timeout
        self._to_queues: ConfirmChannel | None = None
        self._to_exchanges: ConfirmChannel | None = None
        self.link = Link(connect, self._on_up, heartbeat=heartbeat, patience=patience)

    async def to_queue(self, queue: str, properties: Properties, body: bytes) -> None:
        """Raises as `Bus.publish` does."""
        if len(body) > MAX_MESSAGE_BYTES:
            raise Refused(f"a message of {len(body)} bytes, the bus takes {MAX_MESSAGE_BYTES}")
        if not self.link.usable:
            await self.link.ready()
        if self._to_queues is None:
            raise NotTaken("not connected")
        await self._to_queues.publish("", queue, properties, body)

    async def to_exchange(
        self, exchange: str, routing_key: str, properties: Properties, body: bytes, *, mandatory: bool
    ) -> None:
        """Raises as `Bus.publish` does."""
        await self.link.ready()
        if self._to_exchanges is None:
            raise NotTaken("not connected")
        await self._to_exchanges.publish(exchange, routing_key, properties, body, mandatory=mandatory)

    async def _on_up(self, wire: Wire) -> None:
        await self._prepare(wire)
        self._to_queues = await self._open(wire)
        self._to_exchanges = await self._open(wire)

    async def _open(self, wire: Wire) -> ConfirmChannel:
        channel = ConfirmChannel(wire.tap, timeout=self._timeout, frame_size=wire.frame_size)
        await channel.open()

        def start_again(_: asyncio.Future[None]) -> None:
            # A channel that the broker closed means that something is missing: preparing a new connection declares it.
            wire.tap.abort()

        channel.ended.add_done_callback(start_again)
        return channel
