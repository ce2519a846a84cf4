"""Implements the contract of the bus on RabbitMQ."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from yarl import URL

from libs.bus.isolation import IsolationGate
from libs.bus.ports import (
    DEFAULT_LIMITS,
    MAX_BUG_ATTEMPTS,
    MAX_CRASHES,
    RETRY_DELAYS,
    Consumer,
    DeadLetter,
    Depth,
    Event,
    Limits,
    NotPublished,
    Replayed,
)
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.broadcast import RabbitBroadcastSubscriber
from libs.bus.rabbitmq.connection import AmqpConnection, connect
from libs.bus.rabbitmq.consumer import ConsumerContext, Handler, RabbitConsumer
from libs.bus.rabbitmq.dead_letters import DeadLetters
from libs.bus.rabbitmq.groups import Groups
from libs.bus.rabbitmq.isolated_dispatcher import IsolatedDispatcher
from libs.bus.rabbitmq.link import Link
from libs.bus.rabbitmq.publisher import Publisher
from libs.bus.rabbitmq.topology import EVENTS, Topology, dead_queue, isolation_queue, message_count
from libs.bus.subscribers import EVENT_HEADER, BroadcastSubscriber, EventHandler, group_handler, group_queue
from libs.envelope.model import utc_now
from libs.tasks import cancelled


class RabbitBus:
    """A bus on the broker at `url` (`amqp://` or `amqps://`, user and password in it).

    `timeout` bounds each publication and each request to the broker; `patience` is how long a call waits during an
    outage of the connection; `start_timeout` bounds `start`. `limits` are the bounds of queues that are declared first.
    """

    def __init__(
        self,
        url: str,
        *,
        retry_delays: Sequence[timedelta] = RETRY_DELAYS,
        delivery_limit: int = MAX_CRASHES,
        limits: Limits = DEFAULT_LIMITS,
        timeout: timedelta = timedelta(seconds=5),
        patience: timedelta = timedelta(seconds=2),
        start_timeout: timedelta = timedelta(seconds=60),
        heartbeat: timedelta = timedelta(seconds=30),
        name: str = "facteur",
    ) -> None:
        _check(url)
        self._url = url
        self._name = name
        self._retry_delays = tuple(retry_delays)
        self._delivery_limit = delivery_limit
        self._timeout = timeout
        self._patience = patience
        self._start_timeout = start_timeout
        self._heartbeat = heartbeat
        self._limits = limits
        self._topology = Topology(limits)
        self._dead_letters = DeadLetters(timeout=timeout)
        self._groups = Groups(self._topology, self._dead_letters, timeout=timeout)
        self._declared: dict[str, None] = {}
        self._members: dict[str, frozenset[str]] = {}
        self._consumers: list[RabbitConsumer] = []
        self._broadcast: list[RabbitBroadcastSubscriber] = []
        self._empty_at: dict[str, datetime] = {}  # when a queue was last seen empty
        self._isolation = IsolationGate()
        self._isolated = IsolatedDispatcher(
            self._connection,
            self._consumers,
            self._isolation,
            lambda: self._publisher is not None and self._publisher.link.usable,
            tries=delivery_limit,
            timeout=timeout,
        )
        self._publisher: Publisher | None = None
        self._incoming: Link | None = None
        self._dispatching: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return (
            self._publisher is not None
            and self._publisher.link.usable
            and self._incoming is not None
            and self._incoming.usable
        )

    async def start(self) -> None:
        # The link logs each loss in one line; the driver would add a traceback.
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)
        self._incoming = Link(lambda: self._connect("in"), _nothing, heartbeat=self._heartbeat, patience=self._patience)
        self._publisher = Publisher(
            lambda: self._connect("out"),
            self._prepare,
            self._waiting,
            max_messages=self._limits.max_messages,
            timeout=self._timeout,
            heartbeat=self._heartbeat,
            patience=self._patience,
        )
        until = asyncio.get_running_loop().time() + self._start_timeout.total_seconds()
        try:
            await self._incoming.first(until)
            await self._publisher.link.first(until)
            self._dispatching = asyncio.get_running_loop().create_task(self._isolated.run())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        publisher, self._publisher = self._publisher, None
        if self._dispatching is not None:
            await cancelled([self._dispatching])
        incoming, self._incoming = self._incoming, None
        await asyncio.gather(
            *(one.cancel() for one in self._consumers), *(subscriber.cancel() for subscriber in self._broadcast)
        )
        links = [incoming] if publisher is None else [incoming, publisher.link]
        await asyncio.gather(*(link.close() for link in links if link is not None))

    async def declare(self, *queues: str) -> None:
        for queue in queues:
            if queue not in self._declared:
                await self._topology.declare_work_queue(await self._connection(), queue)
                self._declared[queue] = None

    async def publish(self, queue: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        await self._running().to_queue(queue, messages.new_properties(headers), body)

    async def consume(self, queue: str, handler: Handler, *, prefetch: int = 50) -> Consumer:
        link = await self._link()

        async def declare(connection: AmqpConnection) -> str:
            await self._topology.declare_work_queue(connection, queue)
            await self._topology.bind_group(connection, queue, self._members.get(queue, ()))
            return queue

        consumer = RabbitConsumer(
            link,
            declare,
            handler,
            queue=queue,
            prefetch=prefetch,
            context=self._consumer_context(),
            timeout=self._timeout,
        )
        self._consumers.append(consumer)
        await consumer.subscription.first()
        return consumer

    async def emit(self, event: Event) -> None:
        properties = messages.new_properties({EVENT_HEADER: event.name})
        await self._running().to_exchange(EVENTS, event.name, properties, event.payload, mandatory=False)

    async def subscribe(self, names: Sequence[str], handler: EventHandler, *, group: str | None = None) -> Consumer:
        if group is None:
            subscriber = RabbitBroadcastSubscriber(
                await self._link(), BroadcastSubscriber(names, handler), timeout=self._timeout
            )
            self._broadcast.append(subscriber)
            await subscriber.first()
            return subscriber
        queue = group_queue(group)
        if self._members.setdefault(queue, frozenset(names)) != frozenset(names):
            raise ValueError(f"the group {group!r} already hears {sorted(self._members[queue])} in this process")
        return await self.consume(queue, group_handler(names, handler))

    async def reconcile_groups(
        self,
        service: str,
        rows: Mapping[str, Collection[str]],
        *,
        former: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        await self._groups.reconcile(await self._connection(), service, rows, former or {}, self._running())

    async def depth(self, queue: str) -> Depth:
        """`pending` counts what this process has in flight. Dead letters that are being scanned are not counted."""
        connection = await self._connection()
        pending = sum(consumer.in_flight for consumer in self._consumers if consumer.queue == queue)
        if queue in self._isolated.known:
            pending += await message_count(connection, isolation_queue(queue))
        return Depth(
            ready=await message_count(connection, queue),
            pending=pending,
            dead=await message_count(connection, dead_queue(queue)),
        )

    async def oldest(self, queue: str) -> datetime | None:
        now, consumers = utc_now(), [consumer for consumer in self._consumers if consumer.queue == queue]
        moments = [moment for consumer in consumers if (moment := consumer.oldest(now)) is not None]
        if await self._waiting(queue):
            came = [moment for consumer in consumers if (moment := consumer.last_arrival()) is not None]
            moments.append(max([*came, self._empty_at.setdefault(queue, now)]))
        else:
            self._empty_at[queue] = now
        return min(moments, default=None)

    async def dead_letters(self, queue: str, *, after: str | None = None, limit: int = 50) -> list[DeadLetter]:
        return await self._dead_letters.page(await self._connection(), queue, after=after, limit=limit)

    async def publish_dead_letter(
        self, queue: str, body: bytes, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        properties = messages.for_dead_letter(messages.new_properties(headers), reason)
        await self._running().to_queue(dead_queue(queue), properties, body)

    async def replay(self, queue: str, id: str) -> bool:
        return await self._dead_letters.replay(await self._connection(), queue, id, self._running())

    async def replay_many(
        self, queue: str, matches: Callable[[DeadLetter], bool], *, limit: int, per_second: float
    ) -> Replayed:
        return await self._dead_letters.replay_many(
            await self._connection(), queue, matches, self._running(), limit=limit, pause=1 / per_second
        )

    async def purge(self, queue: str, id: str) -> bool:
        return await self._dead_letters.purge(await self._connection(), queue, id)

    async def _connect(self, direction: str) -> AmqpConnection:
        name = f"{self._name} {direction}"
        return await connect(self._url, name=name, heartbeat=self._heartbeat, timeout=self._timeout)

    async def _prepare(self, connection: AmqpConnection) -> None:
        """Declare all targets of publications, also on a broker that lost its data."""
        await self._topology.declare_events(connection)
        for queue in self._declared:
            await self._topology.declare_work_queue(connection, queue)

    def _consumer_context(self) -> ConsumerContext:
        return ConsumerContext(
            publisher=self._running(),
            declare_retry_queue=self._declare_retry_queue,
            declare_isolation_queue=self._declare_isolation_queue,
            on_isolated=self._isolated.notify,
            isolation=self._isolation,
            retry_delays=self._retry_delays,
            max_bug_attempts=min(MAX_BUG_ATTEMPTS, self._delivery_limit),
        )

    async def _declare_isolation_queue(self, name: str) -> None:
        await self._topology.declare_plain(await self._connection(), name)

    async def _declare_retry_queue(self, queue: str, delay: timedelta) -> None:
        await self._topology.declare_retry_queue(await self._connection(), queue, delay)

    async def _waiting(self, queue: str) -> int:
        return await message_count(await self._connection(), queue)

    def _running(self) -> Publisher:
        if self._publisher is None:
            raise NotPublished("the bus is not running")
        return self._publisher

    async def _link(self) -> Link:
        if self._incoming is None:
            raise NotPublished("the bus is not running")
        return self._incoming

    async def _connection(self) -> AmqpConnection:
        return await (await self._link()).ready()


def _check(url: str) -> None:
    """Raise `ValueError` for an invalid address, without the password."""
    try:
        host = URL(url).host
    except ValueError as error:
        raise ValueError(f"bus address: {error}") from error
    if not host:
        raise ValueError("bus address: there is no host in it")


async def _nothing(connection: AmqpConnection) -> None:
    """The consuming connection needs no preparation: each subscription declares what it consumes."""
