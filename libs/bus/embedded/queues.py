"""The state of each work queue on the event loop: waiting messages, consumers, and messages in flight.

A message that is published while a consumer has room and no message waits is handed over from memory as soon as it is
durable; others are read from the file when a consumer has room. At most `prefetch` bodies a consumer are in memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from libs.bus import dispatch
from libs.bus.embedded.delivery import EmbeddedDelivery
from libs.bus.embedded.retries import RetryTimer
from libs.bus.embedded.rows import StoredRow
from libs.bus.embedded.writer import Writer
from libs.bus.isolation import IsolationGate
from libs.bus.ports import Delivery, Unavailable
from libs.bus.retry_ages import RetryAges
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

Handler = Callable[[Delivery], Awaitable[None]]

MAX_LOAD = 256
LOAD_AGAIN = 1.0  # seconds before a failed load is tried again


class WorkQueue:
    """A work queue. `backlog` messages of `backlog_bytes` wait in the file, `coming` are being written to it, `delayed`
    wait for a retry, `dead` are dead letters.
    """

    def __init__(
        self,
        name: str,
        id: int,
        *,
        writer: Writer,
        timer: RetryTimer,
        isolation: IsolationGate,
        on_redelivered: Callable[[], None],
        max_bug_attempts: int,
    ) -> None:
        self.name = name
        self.id = id
        self.backlog = self.backlog_bytes = 0
        self.coming = self.coming_bytes = 0
        self.delayed = 0
        self.dead = 0
        self.in_flight = 0
        self.writer = writer
        self.timer = timer
        self.isolation = isolation
        self.max_bug_attempts = max_bug_attempts
        self.retry_ages = RetryAges()
        self.redelivered: deque[EmbeddedDelivery] = deque()  # in flight when the process died: each is handled alone
        self._on_redelivered = on_redelivered
        self.consumers: list[EmbeddedConsumer] = []
        self._returned: deque[EmbeddedDelivery] = deque()
        self._loading = False

    @property
    def ready(self) -> int:
        return self.backlog + self.coming + len(self._returned)

    @property
    def ready_bytes(self) -> int:
        return self.backlog_bytes + self.coming_bytes

    def reserve(self) -> EmbeddedConsumer | None:
        """Reserve a consumer for a message that is being published, if it need not queue behind others."""
        if self.backlog or self.coming or self._returned:
            return None
        consumer = self._free_consumer()
        if consumer is not None:
            consumer.in_flight += 1
        return consumer

    def arrived(self, count: int, size: int) -> None:
        """Note that `count` messages of `size` bytes were added to the end of the file."""
        self.backlog += count
        self.backlog_bytes += size
        self.pump()

    def left(self, count: int, size: int) -> None:
        """Note that `count` waiting messages of `size` bytes left the file without a consumer."""
        self.backlog = max(0, self.backlog - count)
        self.backlog_bytes = max(0, self.backlog_bytes - size)

    def hand(self, delivery: EmbeddedDelivery, reserved: EmbeddedConsumer | None = None) -> None:
        """Hand a delivery to the reserved consumer, or to one with room; else it waits at the front."""
        if reserved is not None:
            reserved.in_flight -= 1
        usable = reserved is not None and not reserved.stopped and not self.isolation.closed
        consumer = reserved if usable else self._free_consumer()
        if consumer is None:
            self._returned.append(delivery)
        else:
            consumer.take(delivery)

    def pump(self) -> None:
        """Hand waiting messages to consumers with room."""
        while self._returned and (consumer := self._free_consumer()) is not None:
            consumer.take(self._returned.popleft())
        if self.redelivered:
            self._on_redelivered()
        if self.backlog and not self._loading and not self.isolation.closed:
            room = sum(consumer.room for consumer in self.consumers)
            if room > 0:
                self._load(min(room, MAX_LOAD))

    def forget_consumer(self, consumer: EmbeddedConsumer) -> None:
        if consumer in self.consumers:
            self.consumers.remove(consumer)

    def _free_consumer(self) -> EmbeddedConsumer | None:
        if self.isolation.closed:
            return None
        return max((c for c in self.consumers if c.room > 0), key=lambda c: c.room, default=None)

    def _load(self, limit: int) -> None:
        self._loading = True
        try:
            self.writer.run(lambda file: file.load(self.id, limit), self._loaded)
        except Unavailable:
            return  # closing: the messages stay in the file

    def _loaded(self, rows: list[StoredRow], error: Exception | None) -> None:
        if error is not None:
            log.warning("queue_load_failed", queue=self.name, error=repr(error))
            asyncio.get_running_loop().call_later(LOAD_AGAIN, self._again)
            return
        self._loading = False
        # The rows of a load are in flight from its commit on. Without any the file is right, whatever was counted.
        self.backlog = max(0, self.backlog - len(rows)) if rows else 0
        self.backlog_bytes = max(0, self.backlog_bytes - sum(len(row[-1]) for row in rows)) if self.backlog else 0
        for row in rows:
            if row[3]:  # redelivered after a crash
                self.redelivered.append(EmbeddedDelivery(self, row))
            else:
                self.hand(EmbeddedDelivery(self, row))
        self.pump()

    def _again(self) -> None:
        self._loading = False
        self.pump()


class EmbeddedConsumer:
    """A running subscription; owns the task of each handler that it started."""

    def __init__(self, queue: WorkQueue, handler: Handler, *, prefetch: int, retry_delays: Sequence[timedelta]) -> None:
        self.in_flight = 0
        self.stopped = False
        self._queue = queue
        self._handler = handler
        self._prefetch = prefetch
        self._retry_delays = retry_delays
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def room(self) -> int:
        return self._prefetch - self.in_flight

    def take(self, delivery: EmbeddedDelivery) -> None:
        self._queue.isolation.begin()
        self._start(delivery).add_done_callback(self._done)

    async def handle_isolated(self, delivery: EmbeddedDelivery) -> None:
        """Handle `delivery`, and return when its handler is done. The caller ensures that nothing else is in flight."""
        task = self._start(delivery)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task})

    def _start(self, delivery: EmbeddedDelivery) -> asyncio.Task[None]:
        self.in_flight += 1
        self._queue.in_flight += 1
        delivery.consumer = self
        task = self._loop.create_task(self._handle(delivery))
        self._tasks.add(task)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._queue.isolation.end()

    async def stop(self) -> None:
        self.stopped = True
        self._queue.forget_consumer(self)

    async def cancel(self) -> None:
        """Stop, and cancel running handlers; their deliveries stay in the file."""
        await self.stop()
        await cancelled(self._tasks)

    async def _handle(self, delivery: EmbeddedDelivery) -> None:
        await dispatch.run_handler(
            self._handler, delivery, retry_delays=self._retry_delays, limit=self._queue.max_bug_attempts
        )
