"""Consuming work queues: a task for each delivery, at most `prefetch` at a time, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from libs.bus import dispatch
from libs.bus.ages import Ages
from libs.bus.ports import Delivery
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties, decode_properties
from libs.bus.rabbitmq.delivery import RabbitDelivery
from libs.bus.rabbitmq.link import Link
from libs.bus.rabbitmq.publisher import NoQueue
from libs.bus.rabbitmq.subscription import ConsumeChannel, Subscription
from libs.bus.rabbitmq.topology import alone_queue, rung_queue
from libs.bus.rabbitmq.wire import Wire
from libs.bus.solitude import Solitude
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

Handler = Callable[[Delivery], Awaitable[None]]

# Looked for in the encoded properties, since most messages never were given back.
_RETURNS = messages.RETURNS.encode()
SET_ASIDE_AGAIN = 1.0  # seconds


class Publishes(Protocol):
    """Where retries and dead letters go."""

    async def to_queue(self, queue: str, properties: Properties, body: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Beside:
    """What consumers of one bus share: where messages go, and how they wait for one another."""

    outgoing: Publishes
    declare_rung: Callable[[str, timedelta], Awaitable[None]]
    declare_alone: Callable[[str], Awaitable[None]]
    set_aside: Callable[[str], None]  # told the queue whose message it was
    solitude: Solitude
    ladder: Sequence[timedelta]
    bug_tries: int


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
        beside: Beside,
        timeout: timedelta,
    ) -> None:
        self.queue = queue
        self.beside = beside
        self.stopped = False
        self.unended: set[RabbitDelivery] = set()
        self.ages = Ages()
        self._last = b""  # the encoded properties of the message that came last
        self._handler = handler
        self._prefetch = prefetch
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._moves: set[asyncio.Task[None]] = set()
        self._parked: deque[RabbitDelivery] = deque()
        beside.solitude.on_open(self._start_parked)
        self.subscription = Subscription(link, declare, self._arrived, prefetch=prefetch, no_ack=False, timeout=timeout)

    @property
    def in_hand(self) -> int:
        return sum(not delivery.lost for delivery in self.unended)

    def oldest(self, now: datetime) -> datetime | None:
        """The first publication of the oldest that is in hand, or was put on the ladder."""
        moments = [delivery.first_seen for delivery in self.unended if not delivery.lost]
        if (deferred := self.ages.oldest(now)) is not None:
            moments.append(deferred)
        return min(moments, default=None)

    def last_came(self) -> datetime | None:
        """The first publication of the message that came last: what waits behind it is hardly older."""
        return datetime.fromtimestamp(decode_properties(self._last).timestamp, UTC) if self._last else None

    async def stop(self) -> None:
        self.stopped = True
        await self.subscription.stop()
        while self._parked:
            self._parked.popleft().give_back()

    async def cancel(self) -> None:
        """Stop, and end the handlers that still run; their deliveries go back."""
        self.stopped = True
        await cancelled([*self._tasks, *self._moves])
        await self.subscription.close()

    async def put_on_ladder(self, delay: timedelta, properties: Properties, body: bytes) -> None:
        """On the lowest rung of the queue's own ladder that is not shorter than `delay`."""
        rung = dispatch.rung(self.beside.ladder, delay)
        try:
            await self.beside.outgoing.to_queue(rung_queue(self.queue, rung), properties, body)
        except NoQueue:
            await self.beside.declare_rung(self.queue, rung)
            await self.beside.outgoing.to_queue(rung_queue(self.queue, rung), properties, body)

    async def put_aside(self, properties: Properties, body: bytes) -> None:
        """Into the queue of those that are handled alone."""
        try:
            await self.beside.outgoing.to_queue(alone_queue(self.queue), properties, body)
        except NoQueue:
            await self.beside.declare_alone(alone_queue(self.queue))
            await self.beside.outgoing.to_queue(alone_queue(self.queue), properties, body)
        self.beside.set_aside(self.queue)

    async def handle_alone(self, delivery: RabbitDelivery) -> None:
        """Returns when its handler is done; whoever calls takes care that nothing else is in hand."""
        self.unended.add(delivery)
        task = self._loop.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task})

    def _arrived(self, channel: ConsumeChannel, tag: int, properties: bytes, body: bytes) -> None:
        delivery, self._last = RabbitDelivery(self, channel, tag, properties, body), properties
        if self.stopped:
            channel.requeue(tag)
        elif _RETURNS in properties and messages.returns(delivery.properties):
            self._set_aside(delivery)
        elif len(self._tasks) >= self._prefetch or self.beside.solitude.closed:
            # Handlers of a lost channel still run to their end; the redelivered messages wait for them.
            self._parked.append(delivery)
        else:
            self._start(delivery)

    def _start(self, delivery: RabbitDelivery) -> None:
        self.unended.add(delivery)
        self.beside.solitude.begin()
        task = self._loop.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _handle(self, delivery: RabbitDelivery) -> None:
        try:
            await dispatch.hand_over(self._handler, delivery, ladder=self.beside.ladder, limit=self.beside.bug_tries)
        finally:
            if delivery.lost:
                self.unended.discard(delivery)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.beside.solitude.end()
        self._start_parked()

    def _start_parked(self) -> None:
        while self._parked and len(self._tasks) < self._prefetch and not self.beside.solitude.closed:
            delivery = self._parked.popleft()
            if not delivery.lost:
                self._start(delivery)

    def _set_aside(self, delivery: RabbitDelivery) -> None:
        """It was in hand when a consumer died: it may be what killed it, or an innocent neighbour."""
        self.unended.add(delivery)
        task = self._loop.create_task(self._move_aside(delivery))
        self._moves.add(task)
        task.add_done_callback(self._moves.discard)

    async def _move_aside(self, delivery: RabbitDelivery) -> None:
        while not delivery.lost and not self.stopped:
            try:
                await delivery.set_aside()
                return
            except Exception as error:
                # Never given back: the broker counts that, and would bury it for the trouble of others.
                log.warning("not_set_aside", queue=self.queue, error=str(error))
                await asyncio.sleep(SET_ASIDE_AGAIN)
        self.unended.discard(delivery)
        delivery.give_back()
