"""What the event loop knows of each work queue: how many messages wait in the file, who consumes, what is in hand.

A message that is published while a consumer has room and nothing waits is handed over from memory as soon as it is
durable; all others are read from the file when a consumer has room. At most `prefetch` bodies a consumer are in memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from libs.bus import dispatch
from libs.bus.embedded.file import QueueFile
from libs.bus.embedded.retries import RetryTimer
from libs.bus.embedded.rows import StoredRow, bugs_of, decode_headers, with_bugs
from libs.bus.embedded.writer import Writer
from libs.bus.ports import BUG_TRIES, Delivery, Unavailable
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

Handler = Callable[[Delivery], Awaitable[None]]

MAX_LOAD = 256
LOAD_AGAIN = 1.0  # seconds after which a failed load is tried again


class WorkQueue:
    """One queue. `backlog` messages of `backlog_bytes` wait in the file, `coming` are on their way into it, `delayed`
    wait for a retry, `dead` are given up.
    """

    def __init__(self, name: str, id: int, *, writer: Writer, timer: RetryTimer, delivery_limit: int) -> None:
        self.name = name
        self.id = id
        self.backlog = self.backlog_bytes = 0
        self.coming = self.coming_bytes = 0
        self.delayed = 0
        self.dead = 0
        self.in_hand = 0
        self.writer = writer
        self.timer = timer
        self.delivery_limit = delivery_limit
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
        """A consumer for a message that is being published, if it need not queue behind others."""
        if self.backlog or self.coming or self._returned:
            return None
        consumer = self._free_consumer()
        if consumer is not None:
            consumer.in_hand += 1
        return consumer

    def arrived(self, count: int, size: int) -> None:
        """`count` messages of `size` bytes were put into the file behind the others."""
        self.backlog += count
        self.backlog_bytes += size
        self.pump()

    def left(self, count: int, size: int) -> None:
        """`count` waiting messages of `size` bytes were taken out of the file by others than consumers."""
        self.backlog = max(0, self.backlog - count)
        self.backlog_bytes = max(0, self.backlog_bytes - size)

    def hand(self, delivery: EmbeddedDelivery, reserved: EmbeddedConsumer | None = None) -> None:
        """To the consumer that was reserved, or to one with room, or else it waits at the front."""
        if reserved is not None:
            reserved.in_hand -= 1
        consumer = reserved if reserved is not None and not reserved.stopped else self._free_consumer()
        if consumer is None:
            self._returned.append(delivery)
        else:
            consumer.take(delivery)

    def pump(self) -> None:
        """Give waiting messages to consumers with room."""
        while self._returned and (consumer := self._free_consumer()) is not None:
            consumer.take(self._returned.popleft())
        if self.backlog and not self._loading:
            room = sum(consumer.room for consumer in self.consumers)
            if room > 0:
                self._load(min(room, MAX_LOAD))

    def forget_consumer(self, consumer: EmbeddedConsumer) -> None:
        if consumer in self.consumers:
            self.consumers.remove(consumer)

    def _free_consumer(self) -> EmbeddedConsumer | None:
        return max((c for c in self.consumers if c.room > 0), key=lambda c: c.room, default=None)

    def _load(self, limit: int) -> None:
        self._loading = True
        try:
            self.writer.run(lambda file: file.load(self.id, limit), self._loaded)
        except Unavailable:
            return  # closing: the messages stay in the file

    def _loaded(self, rows: list[StoredRow], error: Exception | None) -> None:
        if error is not None:
            log.warning("queue_not_loaded", queue=self.name, error=repr(error))
            asyncio.get_running_loop().call_later(LOAD_AGAIN, self._again)
            return
        self._loading = False
        # The rows of a load are in hand from its commit on. None at all: the file is right, whatever was counted.
        self.backlog = max(0, self.backlog - len(rows)) if rows else 0
        self.backlog_bytes = max(0, self.backlog_bytes - sum(len(row[-1]) for row in rows)) if self.backlog else 0
        for row in rows:
            self.hand(EmbeddedDelivery(self, row))
        self.pump()

    def _again(self) -> None:
        self._loading = False
        self.pump()


class EmbeddedConsumer:
    """A running subscription; owns the task of each handler that it started."""

    def __init__(self, queue: WorkQueue, handler: Handler, *, prefetch: int, ladder: Sequence[timedelta]) -> None:
        self.in_hand = 0
        self.stopped = False
        self._queue = queue
        self._handler = handler
        self._prefetch = prefetch
        self._ladder = ladder
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def room(self) -> int:
        return self._prefetch - self.in_hand

    def take(self, delivery: EmbeddedDelivery) -> None:
        self.in_hand += 1
        self._queue.in_hand += 1
        delivery.consumer = self
        task = self._loop.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        self.stopped = True
        self._queue.forget_consumer(self)

    async def cancel(self) -> None:
        """Stop, and end the handlers that still run; their deliveries stay in the file."""
        await self.stop()
        await cancelled(self._tasks)

    async def _handle(self, delivery: EmbeddedDelivery) -> None:
        await dispatch.hand_over(
            self._handler, delivery, ladder=self._ladder, limit=min(BUG_TRIES, self._queue.delivery_limit)
        )


class EmbeddedDelivery:
    """One message in hand."""

    __slots__ = ("_attempts", "_first_seen", "_headers", "_id", "_queue", "body", "consumer", "ended")

    def __init__(self, queue: WorkQueue, row: StoredRow) -> None:
        self._queue = queue
        self._id, self._first_seen, attempts, returned, self._headers, self.body = row
        self._attempts = attempts + returned
        self.consumer: EmbeddedConsumer | None = None
        self.ended = False

    @property
    def queue(self) -> str:
        return self._queue.name

    @property
    def headers(self) -> Mapping[str, str]:
        return decode_headers(self._headers)

    @property
    def attempt(self) -> int:
        return self._attempts + 1

    @property
    def bugs(self) -> int:
        return bugs_of(self._headers)

    @property
    def first_seen(self) -> datetime:
        return datetime.fromtimestamp(self._first_seen, UTC)

    async def ack(self) -> None:
        self._end()
        try:
            self._queue.writer.ack(self._queue.id, self._id)
        except Unavailable:
            self.ended = False
            raise
        self._ended()

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        queue, id, attempts = self._queue, self._id, self.attempt
        headers = with_bugs(self._headers, self.bugs + 1) if bug else self._headers
        due = queue.timer.due_after(delay)

        def delayed() -> None:
            queue.delayed += 1
            queue.timer.expect(due)

        await self._end_with(
            lambda file: file.delay(queue.id, id, due=due, attempts=attempts, headers=headers, body=body), delayed
        )

    async def bury(self, reason: str) -> None:
        queue, id, attempts = self._queue, self._id, self.attempt
        text = reason.encode(errors="replace").decode()
        died_at = queue.timer.clock.now()

        def buried() -> None:
            queue.dead += 1

        await self._end_with(
            lambda file: file.bury(queue.id, id, reason=text, died_at=died_at, attempts=attempts), buried
        )

    async def release(self) -> None:
        self._end()
        again = EmbeddedDelivery(self._queue, (self._id, self._first_seen, self._attempts, 0, self._headers, self.body))
        self._ended()
        self._queue.hand(again)

    async def _end_with(self, act: Callable[[QueueFile], None], then: Callable[[], None]) -> None:
        """In hand until the commit; if that fails, the delivery may be ended in another way.

        Waits for the disk as long as it takes: whether the message is still here or elsewhere is known only then.
        """
        self._end()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def committed(_: None, error: Exception | None) -> None:
            if error is None:
                then()
                self._ended()
            else:
                self.ended = False
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)

        try:
            self._queue.writer.run(act, committed)
        except Unavailable:
            self.ended = False
            raise
        # A caller that is cancelled does not undo what was submitted.
        await done

    def _end(self) -> None:
        if self.ended:
            raise RuntimeError(f"this delivery of {self.queue} was already ended")
        self.ended = True

    def _ended(self) -> None:
        self._queue.in_hand -= 1
        if self.consumer is not None:
            self.consumer.in_hand -= 1
        self._queue.pump()
