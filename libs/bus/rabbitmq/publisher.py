"""Publishes over a connection of its own, since an alarm of the broker blocks publishing connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from libs.bus.ports import MAX_MESSAGE_BYTES, NotPublished, Refused, Unavailable
from libs.bus.rabbitmq.codec import Properties
from libs.bus.rabbitmq.confirm_channel import ConfirmChannel, Nacked
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.bus.rabbitmq.link import Link

log = structlog.get_logger(__name__)

# Seconds for which a count of waiting messages is reused to explain the refusals of a queue.
COUNT_HOLDS = 1.0
# Seconds between two reconnections because the broker refuses all messages; doubled each time, up to a limit.
FIRST_REST, LONGEST_REST = 30.0, 600.0


class Publisher:
    """Uses two channels in confirm mode: for queues, and for exchanges, since a missing exchange closes its channel.

    `waiting` returns the number of messages in a queue, which is full with `max_messages`.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AmqpConnection]],
        prepare: Callable[[AmqpConnection], Awaitable[None]],
        waiting: Callable[[str], Awaitable[int]],
        *,
        max_messages: int,
        timeout: timedelta,
        heartbeat: timedelta,
        patience: timedelta,
    ) -> None:
        self._prepare = prepare
        self._waiting = waiting
        self._max_messages = max_messages
        self._timeout = timeout
        self._counts: dict[str, tuple[float, int]] = {}
        self._rest, self._cut_at = FIRST_REST, float("-inf")
        self._to_queues: ConfirmChannel | None = None
        self._to_exchanges: ConfirmChannel | None = None
        self.link = Link(connect, self._on_up, heartbeat=heartbeat, patience=patience)

    async def to_queue(self, queue: str, properties: Properties, body: bytes) -> None:
        """Publish a message. Raises the errors of `Bus.publish`."""
        if len(body) > MAX_MESSAGE_BYTES:
            raise Refused(f"a message of {len(body)} bytes, the bus takes {MAX_MESSAGE_BYTES}")
        if not self.link.usable:
            await self.link.ready()
        channel = self._to_queues
        if channel is None:
            raise NotPublished("not connected")
        try:
            await channel.publish("", queue, properties, body)
        except Nacked as error:
            raise await self._explained(error, queue, channel) from error

    async def to_exchange(
        self, exchange: str, routing_key: str, properties: Properties, body: bytes, *, mandatory: bool
    ) -> None:
        """Publish a message. Raises the errors of `Bus.publish`."""
        await self.link.ready()
        if self._to_exchanges is None:
            raise NotPublished("not connected")
        await self._to_exchanges.publish(exchange, routing_key, properties, body, mandatory=mandatory)

    async def _explained(self, nack: Nacked, queue: str, channel: ConfirmChannel) -> Refused:
        """Explain a nack: the number of waiting messages distinguishes a full queue from one without a leader."""
        try:
            count = await self._count(queue)
        except (Unavailable, Refused) as error:
            self._reconnect(channel)
            return Refused(f"{nack.reason}; how many wait in {queue} is not known: {error.reason}")
        if count >= self._max_messages:
            return Refused(f"the queue {queue} is full ({count} messages)")
        self._reconnect(channel)
        return Refused(f"{nack.reason}; {count} wait in {queue}: it has no majority of its nodes, or is full by bytes")

    async def _count(self, queue: str) -> int:
        now = asyncio.get_running_loop().time()
        asked_at, count = self._counts.get(queue, (float("-inf"), 0))
        if now - asked_at > COUNT_HOLDS:
            count = await self._waiting(queue)
            self._counts[queue] = now, count
        return count

    def _reconnect(self, channel: ConfirmChannel) -> None:
        """Reconnect when the broker has refused all messages for a while: another node may accept them."""
        now, since = asyncio.get_running_loop().time(), channel.nacking_since
        if since is None or now - since < self._timeout.total_seconds() or channel.closed:
            return
        if now - self._cut_at > 2 * LONGEST_REST:
            self._rest = FIRST_REST
        if now - self._cut_at < self._rest:
            return
        self._cut_at, self._rest = now, min(self._rest * 2, LONGEST_REST)
        log.warning("broker_refused_everything", seconds=round(now - since, 1))
        channel.drop("the broker refuses everything")

    async def _on_up(self, connection: AmqpConnection) -> None:
        await self._prepare(connection)
        self._to_queues = await self._open(connection)
        self._to_exchanges = await self._open(connection)

    async def _open(self, connection: AmqpConnection) -> ConfirmChannel:
        channel = ConfirmChannel(connection.demux, timeout=self._timeout, frame_size=connection.frame_size)
        await channel.open()

        def start_again(_: asyncio.Future[None]) -> None:
            # The broker closes a channel when a declaration is missing: preparing a new connection declares it.
            connection.demux.abort()

        channel.ended.add_done_callback(start_again)
        return channel
