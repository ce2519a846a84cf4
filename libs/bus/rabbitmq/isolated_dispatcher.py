"""Handles messages alone that were in flight when their consumer died.

The broker counts redeliveries, and does not know which of the messages in flight killed the process. Redelivered
messages are therefore moved to `<queue>.alone` without being handled, and consumed from there one at a time while
nothing else is in flight: the counts of that queue are those of one message alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from libs.bus.isolation import IsolationGate
from libs.bus.ports import Refused, Unavailable
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.bus.rabbitmq.consumer import RabbitConsumer
from libs.bus.rabbitmq.delivery import RabbitDelivery
from libs.bus.rabbitmq.messages import DELIVERY_LIMIT, redeliveries, total_redeliveries
from libs.bus.rabbitmq.subscription import ConsumerChannel
from libs.bus.rabbitmq.topology import isolation_queue, message_count

log = structlog.get_logger(__name__)

# Seconds between two polls for messages of other processes, and before the first: redelivered messages move first.
POLL_PERIOD, FIRST_POLL = 30.0, 0.3
# Seconds before a poll that failed, or could not begin, is made again.
POLL_AGAIN = 3.0
# The number of messages that are handled before others have their turn again.
BATCH = 100


class IsolatedDispatcher:
    """Owns the task that consumes the isolation queues of `consumers`."""

    def __init__(
        self,
        connection: Callable[[], Awaitable[AmqpConnection]],
        consumers: list[RabbitConsumer],
        isolation: IsolationGate,
        can_publish: Callable[[], bool],
        *,
        tries: int,
        timeout: timedelta,
    ) -> None:
        self._connection = connection
        self._consumers = consumers
        self._isolation = isolation
        self._can_publish = can_publish
        self._tries = tries
        self._timeout = timeout
        self._wake = asyncio.Event()
        self.known: set[str] = set()  # queues that had an isolated message
        # Queues whose isolation queue was not seen empty since a message was moved there. Their counts are not asked
        # for: a broker reports 0 messages where the leader of the queue does not answer it within 250 ms.
        self._pending: set[str] = set()

    def notify(self, queue: str) -> None:
        """Note that a message of `queue` was isolated."""
        self.known.add(queue)
        self._pending.add(queue)
        self._wake.set()

    async def run(self) -> None:
        """Run for as long as the bus does."""
        pause = FIRST_POLL
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                pause = POLL_PERIOD if await self._poll() else POLL_AGAIN
            except (Unavailable, Refused) as error:
                log.warning("isolated_messages_not_polled", reason=error.reason)
                pause = POLL_AGAIN
            except Exception:
                # Without this task isolated messages would wait for the next start.
                log.exception("isolated_dispatcher_failed")
                pause = POLL_AGAIN

    async def _poll(self) -> bool:
        """Handle isolated messages; False when the bus cannot publish: a handler that fails then could not be retried,
        and its message would return as if it had killed its consumer."""
        if not self._can_publish():
            return False
        connection = await self._connection()
        for queue in {consumer.queue for consumer in self._consumers if not consumer.stopped}:
            if queue in self._pending or await self._waiting(connection, queue):
                self.known.add(queue)
                async with self._isolation.isolated():
                    await self._drain(connection, queue)
        return True

    async def _waiting(self, connection: AmqpConnection, queue: str) -> int:
        try:
            return await message_count(connection, isolation_queue(queue))
        except Refused:
            return 0  # the queue does not exist

    async def _drain(self, connection: AmqpConnection, queue: str) -> None:
        self._pending.discard(queue)  # first, since a message may be isolated at any moment
        emptied = False
        try:
            emptied = await self._emptied(connection, queue)
        except Refused:
            emptied = True  # the queue may no longer exist: its count decides from now on
            raise
        finally:
            if not emptied:
                self._pending.add(queue)

    async def _emptied(self, connection: AmqpConnection, queue: str) -> bool:
        """Handle a batch; False when messages may be left."""
        channel = ConsumerChannel(connection.demux, _unexpected, timeout=self._timeout)
        await channel.open()
        try:
            for _ in range(BATCH):
                consumer = next((c for c in self._consumers if c.queue == queue and not c.stopped), None)
                if consumer is None:
                    return False
                got = await channel.get(isolation_queue(queue))
                if got is None:
                    return True
                await self._handle(consumer, RabbitDelivery(consumer, channel, *got, isolated=True))
            self._wake.set()
            return False
        finally:
            await channel.close()

    async def _handle(self, consumer: RabbitConsumer, delivery: RabbitDelivery) -> None:
        if (times := redeliveries(delivery.properties)) >= self._tries:
            log.error("message_dead_lettered", queue=delivery.queue, returns=times)
            await delivery.dead_letter(f"given back {times} times while it alone was in flight: it kills its consumer")
        elif (times := total_redeliveries(delivery.properties)) >= DELIVERY_LIMIT:
            await delivery.dead_letter(f"given back {times} times by its consumers")
        else:
            await consumer.handle_isolated(delivery)


def _unexpected(channel: ConsumerChannel, tag: int, properties: bytes, body: bytes) -> None:
    """Nothing is consumed on this channel."""
