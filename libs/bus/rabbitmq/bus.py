"""The contract of the bus over RabbitMQ."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from yarl import URL

from libs.bus.listening import EVENT_HEADER, Ear, EventHandler, group_queue, heard_by_group
from libs.bus.ports import (
    BUG_TRIES,
    CRASH_TRIES,
    DEFAULT_LIMITS,
    LADDER,
    Consumer,
    DeadLetter,
    Depth,
    Event,
    Limits,
    NotTaken,
    Replayed,
)
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.consumer import Beside, Handler, RabbitConsumer
from libs.bus.rabbitmq.dead_letters import DeadLetters
from libs.bus.rabbitmq.ear import RabbitEar
from libs.bus.rabbitmq.groups import Groups
from libs.bus.rabbitmq.link import Link
from libs.bus.rabbitmq.outgoing import Outgoing
from libs.bus.rabbitmq.topology import EVENTS, Topology, alone_queue, count, dead_queue
from libs.bus.rabbitmq.ward import Ward
from libs.bus.rabbitmq.wire import Wire, connect
from libs.bus.solitude import Solitude
from libs.envelope.model import utc_now
from libs.tasks import cancelled


class RabbitBus:
    """A bus on the broker at `url` (`amqp://` or `amqps://`, user and password in it).

    `timeout` bounds each publish and each question to the broker; `patience` is how long a call waits through a gap of
    the connection; `start_timeout` bounds `start`. `limits` bound what waits in each queue that is not there yet.
    """

    def __init__(
        self,
        url: str,
        *,
        ladder: Sequence[timedelta] = LADDER,
        delivery_limit: int = CRASH_TRIES,
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
        self._ladder = tuple(ladder)
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
        self._ears: list[RabbitEar] = []
        self._empty_at: dict[str, datetime] = {}  # when nothing waited in a queue that was asked about
        self._solitude = Solitude()
        self._ward = Ward(
            self._wire,
            self._consumers,
            self._solitude,
            lambda: self._outgoing is not None and self._outgoing.link.usable,
            tries=delivery_limit,
            timeout=timeout,
        )
        self._outgoing: Outgoing | None = None
        self._incoming: Link | None = None
        self._warding: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return (
            self._outgoing is not None
            and self._outgoing.link.usable
            and self._incoming is not None
            and self._incoming.usable
        )

    async def start(self) -> None:
        # The link tells of each loss in one line; the driver would add a traceback to it.
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)
        self._incoming = Link(lambda: self._connect("in"), _nothing, heartbeat=self._heartbeat, patience=self._patience)
        self._outgoing = Outgoing(
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
            await self._outgoing.link.first(until)
            self._warding = asyncio.get_running_loop().create_task(self._ward.run())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        outgoing, self._outgoing = self._outgoing, None
        if self._warding is not None:
            await cancelled([self._warding])
        incoming, self._incoming = self._incoming, None
        await asyncio.gather(*(one.cancel() for one in self._consumers), *(ear.cancel() for ear in self._ears))
        links = [incoming] if outgoing is None else [incoming, outgoing.link]
        await asyncio.gather(*(link.close() for link in links if link is not None))

    async def declare(self, *queues: str) -> None:
        for queue in queues:
            if queue not in self._declared:
                await self._topology.declare_work_queue(await self._wire(), queue)
                self._declared[queue] = None

    async def publish(self, queue: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        await self._running().to_queue(queue, messages.fresh(headers), body)

    async def consume(self, queue: str, handler: Handler, *, prefetch: int = 50) -> Consumer:
        link = await self._link()

        async def declare(wire: Wire) -> str:
            await self._topology.declare_work_queue(wire, queue)
            await self._topology.bind_group(wire, queue, self._members.get(queue, ()))
            return queue

        consumer = RabbitConsumer(
            link,
            declare,
            handler,
            queue=queue,
            prefetch=prefetch,
            beside=self._beside(),
            timeout=self._timeout,
        )
        self._consumers.append(consumer)
        await consumer.subscription.first()
        return consumer

    async def emit(self, event: Event) -> None:
        properties = messages.fresh({EVENT_HEADER: event.name})
        await self._running().to_exchange(EVENTS, event.name, properties, event.payload, mandatory=False)

    async def subscribe(self, names: Sequence[str], handler: EventHandler, *, group: str | None = None) -> Consumer:
        if group is None:
            ear = RabbitEar(await self._link(), Ear(names, handler), timeout=self._timeout)
            self._ears.append(ear)
            await ear.first()
            return ear
        queue = group_queue(group)
        if self._members.setdefault(queue, frozenset(names)) != frozenset(names):
            raise ValueError(f"the group {group!r} already hears {sorted(self._members[queue])} in this process")
        return await self.consume(queue, heard_by_group(names, handler))

    async def keep_groups(
        self,
        service: str,
        rows: Mapping[str, Collection[str]],
        *,
        formerly: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        await self._groups.keep(await self._wire(), service, rows, formerly or {}, self._running())

    async def depth(self, queue: str) -> Depth:
        """`pending` counts what this process has in hand. Dead letters that somebody is looking at are not counted."""
        wire = await self._wire()
        pending = sum(consumer.in_hand for consumer in self._consumers if consumer.queue == queue)
        if queue in self._ward.known:
            pending += await count(wire, alone_queue(queue))
        return Depth(ready=await count(wire, queue), pending=pending, dead=await count(wire, dead_queue(queue)))

    async def oldest(self, queue: str) -> datetime | None:
        now, consumers = utc_now(), [consumer for consumer in self._consumers if consumer.queue == queue]
        moments = [moment for consumer in consumers if (moment := consumer.oldest(now)) is not None]
        if await self._waiting(queue):
            came = [moment for consumer in consumers if (moment := consumer.last_came()) is not None]
            moments.append(max([*came, self._empty_at.setdefault(queue, now)]))
        else:
            self._empty_at[queue] = now
        return min(moments, default=None)

    async def dead_letters(self, queue: str, *, after: str | None = None, limit: int = 50) -> list[DeadLetter]:
        return await self._dead_letters.page(await self._wire(), queue, after=after, limit=limit)

    async def park(self, queue: str, body: bytes, reason: str, headers: Mapping[str, str] | None = None) -> None:
        properties = messages.buried(messages.fresh(headers), reason)
        await self._running().to_queue(dead_queue(queue), properties, body)

    async def replay(self, queue: str, id: str) -> bool:
        return await self._dead_letters.replay(await self._wire(), queue, id, self._running())

    async def replay_many(
        self, queue: str, matches: Callable[[DeadLetter], bool], *, limit: int, per_second: float
    ) -> Replayed:
        return await self._dead_letters.replay_many(
            await self._wire(), queue, matches, self._running(), limit=limit, pause=1 / per_second
        )

    async def purge(self, queue: str, id: str) -> bool:
        return await self._dead_letters.purge(await self._wire(), queue, id)

    async def _connect(self, direction: str) -> Wire:
        name = f"{self._name} {direction}"
        return await connect(self._url, name=name, heartbeat=self._heartbeat, timeout=self._timeout)

    async def _prepare(self, wire: Wire) -> None:
        """Everything that we publish to is there, also on a broker that came back empty."""
        await self._topology.declare_events(wire)
        for queue in self._declared:
            await self._topology.declare_work_queue(wire, queue)

    def _beside(self) -> Beside:
        return Beside(
            outgoing=self._running(),
            declare_rung=self._declare_rung,
            declare_alone=self._declare_alone,
            set_aside=self._ward.came,
            solitude=self._solitude,
            ladder=self._ladder,
            bug_tries=min(BUG_TRIES, self._delivery_limit),
        )

    async def _declare_alone(self, name: str) -> None:
        await self._topology.declare_plain(await self._wire(), name)

    async def _declare_rung(self, queue: str, delay: timedelta) -> None:
        await self._topology.declare_rung(await self._wire(), queue, delay)

    async def _waiting(self, queue: str) -> int:
        return await count(await self._wire(), queue)

    def _running(self) -> Outgoing:
        if self._outgoing is None:
            raise NotTaken("the bus is not running")
        return self._outgoing

    async def _link(self) -> Link:
        if self._incoming is None:
            raise NotTaken("the bus is not running")
        return self._incoming

    async def _wire(self) -> Wire:
        return await (await self._link()).ready()


def _check(url: str) -> None:
    """Raises `ValueError`, which does not repeat the password."""
    try:
        host = URL(url).host
    except ValueError as error:
        raise ValueError(f"bus address: {error}") from error
    if not host:
        raise ValueError("bus address: there is no host in it")


async def _nothing(wire: Wire) -> None:
    """The consuming connection needs no preparation: each subscription declares what it consumes."""
