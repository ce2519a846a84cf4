"""What is declared on the broker, and how it is called. Declaring again changes nothing.

<queue>           quorum, bounded, rejects when full; dies into <queue>.dead after the delivery limit
<queue>.dead      quorum; stays until somebody replays or purges it
retry.<n>s        a fanout exchange and a quorum queue whose messages expire after n seconds into the default exchange:
                  the routing key, which is kept all the way, is the work queue they go back to
events            a topic exchange; the routing key is the name of the event
events.<group>    a work queue bound to it; a broadcast subscriber has an exclusive queue without a name
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from pamqp.common import FieldTable

from libs.bus.listening import MAX_UNHEARD
from libs.bus.rabbitmq.wire import Differs, Wire

log = structlog.get_logger(__name__)

EVENTS = "events"
# RabbitMQ 4 drops after 20 deliveries by default, and looking at a dead letter counts as one. -1 is unknown to 3.10.
NO_LIMIT = 2**31 - 1
# Nothing is lost between two queues of the broker either: it keeps a dead letter until the next queue has confirmed.
_AT_LEAST_ONCE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def dead_queue(queue: str) -> str:
    return f"{queue}.dead"


def rung_name(delay: timedelta) -> str:
    """The exchange and the queue of one rung of the ladder."""
    return f"retry.{delay.total_seconds():g}s"


class Topology:
    """Declares with the arguments of one bus."""

    def __init__(self, ladder: Sequence[timedelta], *, delivery_limit: int, max_length: int) -> None:
        self._ladder = tuple(ladder)
        self._work: FieldTable = {
            **_AT_LEAST_ONCE,
            "x-queue-type": "quorum",
            "x-delivery-limit": delivery_limit,
            "x-max-length": max_length,
            "x-dead-letter-exchange": "",
        }

    async def declare_work_queue(self, wire: Wire, queue: str) -> None:
        dead = dead_queue(queue)
        await _declare_queue(wire, dead, {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT})
        await _declare_queue(wire, queue, {**self._work, "x-dead-letter-routing-key": dead})

    async def declare_shared(self, wire: Wire) -> None:
        """The ladder and the exchange of events."""
        for delay in self._ladder:
            await _declare_rung(wire, delay)
        await wire.control(lambda channel: channel.declare_exchange(EVENTS, ExchangeType.TOPIC, durable=True))

    async def bind_group(self, wire: Wire, queue: str, names: Iterable[str]) -> None:
        """`queue` gets the events called `names`."""

        async def bind(channel: AbstractChannel) -> None:
            bound = await channel.get_queue(queue, ensure=False)
            for name in names:
                await bound.bind(EVENTS, name)

        await wire.control(bind)


async def declare_ear(wire: Wire, names: Iterable[str]) -> str:
    """An exclusive queue that hears the events called `names`; the broker names it and drops it with the connection."""
    arguments: FieldTable = {"x-max-length": MAX_UNHEARD, "x-overflow": "drop-head"}

    async def declare(channel: AbstractChannel) -> str:
        queue = await channel.declare_queue(exclusive=True, auto_delete=True, arguments=arguments)
        for name in names:
            await queue.bind(EVENTS, name)
        return queue.name

    return await wire.control(declare)


async def count(wire: Wire, queue: str) -> int:
    """The messages that wait in `queue`. Raises `Refused` if there is none."""

    async def ask(channel: AbstractChannel) -> int:
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    return await wire.control(ask)


async def _declare_rung(wire: Wire, delay: timedelta) -> None:
    name = rung_name(delay)
    ttl = round(delay.total_seconds() * 1000)
    arguments: FieldTable = {
        **_AT_LEAST_ONCE,
        "x-queue-type": "quorum",
        "x-message-ttl": ttl,
        "x-dead-letter-exchange": "",
    }
    await _declare_queue(wire, name, arguments)

    async def bind(channel: AbstractChannel) -> None:
        exchange = await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True)
        queue = await channel.get_queue(name, ensure=False)
        await queue.bind(exchange)

    await wire.control(bind)


async def _declare_queue(wire: Wire, name: str, arguments: FieldTable) -> None:
    """A queue that is there with other arguments is used as it is: a changed limit must not stop a service."""
    try:
        await wire.control(lambda channel: channel.declare_queue(name, durable=True, arguments=arguments))
    except Differs as error:
        log.warning("queue_declared_differently", queue=name, reason=error.reason)
