"""Messages that were given back by a consumer that died: each is handled alone before anything is concluded.

The broker counts how often a message was given back, and does not know which of those in flight it was that killed the
process. So whatever comes back is moved into `<queue>.alone` without being handled, and taken from there one at a time
while nothing else is in flight: the counts of that queue are those of one message alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from libs.bus.isolation import IsolationGate
from libs.bus.ports import Refused, Unavailable
from libs.bus.rabbitmq.connection import Connection
from libs.bus.rabbitmq.consumer import RabbitConsumer
from libs.bus.rabbitmq.delivery import RabbitDelivery
from libs.bus.rabbitmq.messages import DELIVERY_LIMIT, redeliveries, total_redeliveries
from libs.bus.rabbitmq.subscription import ConsumerChannel
from libs.bus.rabbitmq.topology import isolation_queue, message_count

log = structlog.get_logger(__name__)

# Seconds between two looks for what another process has left, and before the first: what came back is moved first.
POLL_PERIOD, FIRST_POLL = 30.0, 0.3
# Seconds before a look that failed, or could not begin, is made again.
POLL_AGAIN = 3.0
# So many are handled before the others have their turn again.
BATCH = 100


class IsolatedDispatcher:
    """Owns the task that takes from the queues beside those of `consumers`."""

    def __init__(
        self,
        connection: Callable[[], Awaitable[Connection]],
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
        self.known: set[str] = set()  # queues that had something
        # Queues that were not seen empty since something was moved beside them. Their counts are not asked for: a
        # broker counts no messages at all where the leader of the queue does not answer it within 250 ms.
        self._pending: set[str] = set()

    def notify(self, queue: str) -> None:
        """Something was moved beside `queue`."""
        self.known.add(queue)
        self._pending.add(queue)
        self._wake.set()

    async def run(self) -> None:
        """For as long as the bus runs."""
        pause = FIRST_POLL
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                pause = POLL_PERIOD if await self._look() else POLL_AGAIN
            except (Unavailable, Refused) as error:
                log.warning("isolated_messages_not_polled", reason=error.reason)
                pause = POLL_AGAIN
            except Exception:
                # Without this task what was given back would wait for the next start.
                log.exception("isolated_dispatcher_failed")
                pause = POLL_AGAIN

    async def _look(self) -> bool:
        """Whether it could be made: whatever fails without the broker could not be retried, and would come back as if
        it had killed its consumer."""
        if not self._can_publish():
            return False
        connection = await self._connection()
        for queue in {consumer.queue for consumer in self._consumers if not consumer.stopped}:
            if queue in self._pending or await self._waiting(connection, queue):
                self.known.add(queue)
                async with self._isolation.isolated():
                    await self._take(connection, queue)
        return True

    async def _waiting(self, connection: Connection, queue: str) -> int:
        try:
            return await message_count(connection, isolation_queue(queue))
        except Refused:
            return 0  # nothing was ever moved there

    async def _take(self, connection: Connection, queue: str) -> None:
        self._pending.discard(queue)  # first: more may be moved there at any moment
        emptied = False
        try:
            emptied = await self._emptied(connection, queue)
        except Refused:
            emptied = True  # there may be no such queue any more: its count decides from now on
            raise
        finally:
            if not emptied:
                self._pending.add(queue)

    async def _emptied(self, connection: Connection, queue: str) -> bool:
        """False when the others have their turn before the rest."""
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
