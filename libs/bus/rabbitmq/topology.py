"""Declares queues and exchanges on the broker. Declarations are idempotent.

<queue>           quorum, bounded, rejects when full; dies into <queue>.dead after the delivery limit
<queue>.dead      quorum; keeps its messages until they are replayed or purged
<queue>.alone     quorum; messages that were in flight when a process died, handled one at a time. Declared with
                  its queue and not when it is needed first, which is amid crashes: RabbitMQ 3.10 leaves a quorum queue
                  without a leader when it is killed within seconds of declaring it
retry.<queue>.<n>s  quorum; its messages expire after n seconds into <queue>. Each queue has retry queues of its own,
                  since one stops at the first message that its queue refuses; they are declared on demand
events            a topic exchange; the routing key is the name of the event
events.<group>    a work queue bound to it, which drops its oldest into its dead letters when it is full; a broadcast
                  subscriber has an exclusive queue without a name
registry.<service>  quorum; one message with the groups of the service and their events

Earlier versions shared retry queues (`retry.<n>s`, with a fanout exchange each): their messages return by themselves,
and the queues may be deleted once they are empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from pamqp.common import FieldTable

from libs.bus.ports import Limits
from libs.bus.rabbitmq.connection import AmqpConnection, DeclaredDifferently
from libs.bus.rabbitmq.messages import DELIVERY_LIMIT
from libs.bus.subscribers import MAX_QUEUED_EVENTS, is_group_queue

log = structlog.get_logger(__name__)

EVENTS = "events"
# RabbitMQ 4 drops after 20 deliveries by default, and looking at a dead letter counts as one. -1 is unknown to 3.10.
NO_LIMIT = 2**31 - 1
# The leaders of many queues are spread over the nodes.
_QUORUM: FieldTable = {"x-queue-type": "quorum", "x-queue-leader-locator": "balanced"}
_DROP_HEAD: FieldTable = {"x-overflow": "drop-head"}
# No message is lost between two queues of the broker: it keeps a dead letter until the next queue has confirmed.
_AT_LEAST_ONCE: FieldTable = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def dead_queue(queue: str) -> str:
    return f"{queue}.dead"


def isolation_queue(queue: str) -> str:
    """The queue of redelivered messages that are handled alone."""
    return f"{queue}.alone"


def retry_queue(queue: str, delay: timedelta) -> str:
    """The queue in which retries of `queue` wait for `delay`."""
    return f"retry.{queue}.{delay.total_seconds():g}s"


class Topology:
    """Declares with the arguments of one bus."""

    def __init__(self, limits: Limits) -> None:
        bounds: FieldTable = {"x-max-length": limits.max_messages, "x-max-length-bytes": limits.max_bytes}
        dying: FieldTable = {**bounds, "x-delivery-limit": DELIVERY_LIMIT, "x-dead-letter-exchange": ""}
        self._work: FieldTable = {**_QUORUM, **dying, **_AT_LEAST_ONCE}
        # A full group must not block emitters: its oldest events become dead letters, which are bounded too.
        self._events: FieldTable = {**_QUORUM, **dying, **_DROP_HEAD}
        self._dead: FieldTable = {**_QUORUM, "x-delivery-limit": NO_LIMIT}
        self._dead_events: FieldTable = {**self._dead, **bounds, **_DROP_HEAD}
        self._differing: set[str] = set()

    async def declare_work_queue(self, connection: AmqpConnection, queue: str) -> None:
        dead, of_group = dead_queue(queue), is_group_queue(queue)
        await self._declare(connection, dead, self._dead_events if of_group else self._dead)
        await self.declare_plain(connection, isolation_queue(queue))
        arguments = self._events if of_group else self._work
        await self._declare(connection, queue, {**arguments, "x-dead-letter-routing-key": dead})

    async def declare_retry_queue(self, connection: AmqpConnection, queue: str, delay: timedelta) -> None:
        arguments: FieldTable = {
            **_QUORUM,
            **_AT_LEAST_ONCE,
            "x-message-ttl": round(delay.total_seconds() * 1000),
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue,
        }
        await self._declare(connection, retry_queue(queue, delay), arguments)

    async def declare_plain(self, connection: AmqpConnection, name: str) -> None:
        """Declare a queue without bounds, whose messages the broker never dead-letters."""
        await self._declare(connection, name, {**_QUORUM, "x-delivery-limit": NO_LIMIT})

    async def declare_events(self, connection: AmqpConnection) -> None:
        """Declare the exchange of events."""
        await connection.control(lambda channel: channel.declare_exchange(EVENTS, ExchangeType.TOPIC, durable=True))

    async def bind_group(self, connection: AmqpConnection, queue: str, names: Iterable[str]) -> None:
        """Bind `queue` to the events called `names`."""

        async def bind(channel: AbstractChannel) -> None:
            bound = await channel.get_queue(queue, ensure=False)
            for name in names:
                await bound.bind(EVENTS, name)

        await connection.control(bind)

    async def unbind_group(self, connection: AmqpConnection, queue: str, names: Iterable[str]) -> None:
        """Unbind `queue` from the events called `names`."""

        async def unbind(channel: AbstractChannel) -> None:
            bound = await channel.get_queue(queue, ensure=False)
            for name in names:
                await bound.unbind(EVENTS, name)

        await connection.control(unbind)

    async def _declare(self, connection: AmqpConnection, name: str, arguments: FieldTable) -> None:
        """Declare a queue. One with other arguments is used as it is: a changed limit must not stop a service.

        A broker never changes the arguments of a queue; its policies can (docs/operating.md).
        """
        try:
            await connection.control(lambda channel: channel.declare_queue(name, durable=True, arguments=arguments))
        except DeclaredDifferently as error:
            if name not in self._differing:
                self._differing.add(name)
                log.warning("queue_declared_differently", queue=name, reason=error.reason)


async def declare_broadcast_queue(connection: AmqpConnection, names: Iterable[str]) -> str:
    """Declare an exclusive queue for the events `names`. The broker names it, and drops it with the connection."""
    arguments: FieldTable = {"x-max-length": MAX_QUEUED_EVENTS, "x-overflow": "drop-head"}

    async def declare(channel: AbstractChannel) -> str:
        queue = await channel.declare_queue(exclusive=True, auto_delete=True, arguments=arguments)
        for name in names:
            await queue.bind(EVENTS, name)
        return queue.name

    return await connection.control(declare)


async def message_count(connection: AmqpConnection, queue: str) -> int:
    """The number of messages that wait in `queue`. Raises `Refused` if the queue does not exist."""
    return (await queue_counts(connection, queue))[0]


async def queue_counts(connection: AmqpConnection, queue: str) -> tuple[int, int]:
    """The numbers of waiting messages and of consumers of `queue`. Raises `Refused` if it does not exist."""

    async def ask(channel: AbstractChannel) -> tuple[int, int]:
        result = (await channel.declare_queue(queue, passive=True)).declaration_result
        return result.message_count or 0, result.consumer_count or 0

    return await connection.control(ask)
