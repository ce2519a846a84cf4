"""Implements the contract of the bus on a local file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from libs.bus.embedded.dead_letters import DeadLetters
from libs.bus.embedded.events import Events
from libs.bus.embedded.isolated_dispatcher import IsolatedDispatcher
from libs.bus.embedded.lock import DirectoryLock
from libs.bus.embedded.publication import Publication
from libs.bus.embedded.queue_file import QueueFile
from libs.bus.embedded.queues import EmbeddedConsumer, Handler, WorkQueue
from libs.bus.embedded.recovery import recover
from libs.bus.embedded.retries import BusClock, RetryTimer
from libs.bus.embedded.rows import encode_headers
from libs.bus.embedded.writer import Writer
from libs.bus.isolation import IsolationGate
from libs.bus.ports import (
    DEFAULT_LIMITS,
    MAX_BUG_ATTEMPTS,
    MAX_CRASHES,
    MAX_MESSAGE_BYTES,
    RETRY_DELAYS,
    Consumer,
    DeadLetter,
    Depth,
    Event,
    Limits,
    NotPublished,
    Refused,
    Replayed,
    Unavailable,
)
from libs.bus.subscribers import EventHandler, group_handler, group_queue
from libs.envelope.model import utc_now
from libs.tasks import cancelled

WATCH_EVERY = timedelta(seconds=0.5)
LAST_ROW_ID = 2**63 - 1


class EmbeddedBus:
    """A bus in the directory `directory`, for this process alone.

    `limits` bound each queue, `max_bytes` the file; beyond them publishing is refused.
    `spare_bytes` of free space stay in the file for the next burst; more is returned to the disk when it is idle.
    `timeout` bounds every wait for the disk, `start_timeout` that of `start`, which counts all messages.
    """

    def __init__(
        self,
        directory: Path,
        *,
        retry_delays: Sequence[timedelta] = RETRY_DELAYS,
        delivery_limit: int = MAX_CRASHES,
        limits: Limits = DEFAULT_LIMITS,
        max_bytes: int = 16 << 30,
        spare_bytes: int = 64 << 20,
        timeout: timedelta = timedelta(seconds=5),
        start_timeout: timedelta = timedelta(seconds=60),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._path = directory / "queues.sqlite"
        self._lock = DirectoryLock(directory)
        self._retry_delays = tuple(retry_delays)
        self._delivery_limit = delivery_limit
        self.limits = limits
        self._max_bytes = max_bytes
        self._spare_bytes = spare_bytes
        self._timeout = timeout
        self._start_timeout = start_timeout
        self.clock = BusClock(clock)
        self.queues: dict[str, WorkQueue] = {}
        self._events = Events(self)
        self._letters = DeadLetters(self)
        self._running: list[EmbeddedConsumer] = []
        self._writer: Writer | None = None

    @property
    def healthy(self) -> bool:
        return self._writer is not None and self._writer.usable

    async def start(self) -> None:
        self._lock.acquire()
        writer = Writer(lambda: QueueFile(self._path, max_bytes=self._max_bytes, spare_bytes=self._spare_bytes))
        try:
            async with asyncio.timeout(self._start_timeout.total_seconds()):
                await writer.start()
                await self._recover(writer)
        except BaseException as error:
            self._writer = None
            await writer.close(self._timeout)
            self._lock.release()
            if isinstance(error, TimeoutError):
                raise Unavailable(f"the disk does not give the queue file within {self._start_timeout}") from error
            raise
        loop = asyncio.get_running_loop()
        self._own = [loop.create_task(self._watch(writer)), loop.create_task(self._isolated.run())]

    async def _recover(self, writer: Writer) -> None:
        self._writer = writer
        self._isolation = IsolationGate()
        self._isolation.on_reopen(self._resume)
        self._isolated = IsolatedDispatcher(writer, self.queues, self._isolation)
        self._timer = RetryTimer(writer, self.clock, self._retry_delays, self._arrived)
        now = self.clock.now()
        latest_due = now + self._retry_delays[-1].total_seconds()
        for counts in await writer.call(
            lambda file: recover(file, now=now, delivery_limit=self._delivery_limit, latest_due=latest_due)
        ):
            queue = self._add_queue(counts.name, counts.id)
            queue.backlog, queue.backlog_bytes = counts.ready, counts.ready_bytes
            queue.delayed, queue.dead = counts.delayed, counts.dead
        for group, name in await writer.call(lambda file: file.subscriptions()):
            self._events.remember(group, name)
        self._timer.expect(await writer.call(lambda file: file.next_due()))

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self._timer.stop()
        await cancelled(self._own)
        await asyncio.gather(*(one.cancel() for one in self._running), self._events.close())
        await writer.close(self._timeout)
        self._lock.release()
        self.queues.clear()

    async def declare(self, *queues: str) -> None:
        for name in queues:
            if name not in self.queues:
                await self._declare(name)

    async def _declare(self, name: str) -> None:
        def declared(id: int, error: Exception | None) -> None:
            if error is None and self._writer is not None:
                self._add_queue(name, id)

        await self.running_writer().call(lambda file: file.declare(name), declared)

    async def publish(self, queue: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        target = self.work_queue(queue)
        if len(body) > MAX_MESSAGE_BYTES:
            raise Refused(f"a message of {len(body)} bytes, the bus takes {MAX_MESSAGE_BYTES}")
        if target.ready >= self.limits.max_messages:
            raise Refused(f"the queue {queue} is full ({target.ready} messages)")
        if target.ready_bytes + len(body) > self.limits.max_bytes:
            raise Refused(f"the queue {queue} is full ({target.ready_bytes} bytes)")
        await self.put(target, body, headers)

    async def put(self, target: WorkQueue, body: bytes, headers: Mapping[str, str] | None) -> None:
        writer = self.running_writer()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        row = (self.clock.now(), 0, 0, encode_headers(headers), body)
        publication = Publication(target, row, future)
        try:
            writer.put(publication)
        except Unavailable:
            publication.withdraw()
            raise
        await future

    async def consume(self, queue: str, handler: Handler, *, prefetch: int = 50) -> Consumer:
        await self.declare(queue)
        target = self.work_queue(queue)
        consumer = EmbeddedConsumer(target, handler, prefetch=prefetch, retry_delays=self._retry_delays)
        self._running.append(consumer)
        target.consumers.append(consumer)
        target.pump()
        return consumer

    async def emit(self, event: Event) -> None:
        await self._events.emit(event)

    async def subscribe(self, names: Sequence[str], handler: EventHandler, *, group: str | None = None) -> Consumer:
        self.running_writer()
        if group is None:
            return self._events.broadcast(names, handler)
        await self._events.join(group, names)
        return await self.consume(group_queue(group), group_handler(names, handler))

    async def reconcile_groups(
        self,
        service: str,
        rows: Mapping[str, Collection[str]],
        *,
        former: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        await self._events.reconcile_groups(service, rows, former or {})

    async def depth(self, queue: str) -> Depth:
        found = self.work_queue(queue)
        return Depth(
            ready=found.ready, pending=found.in_flight + len(found.redelivered) + found.delayed, dead=found.dead
        )

    async def oldest(self, queue: str) -> datetime | None:
        found = self.work_queue(queue)
        front = await self.running_writer().call(lambda file: file.first_seen(found.id))
        waiting = None if front is None else datetime.fromtimestamp(front, UTC)
        moments = [moment for moment in (waiting, found.retry_ages.oldest(self.clock.moment())) if moment is not None]
        return min(moments, default=None)

    async def dead_letters(self, queue: str, *, after: str | None = None, limit: int = 50) -> list[DeadLetter]:
        return await self._letters.page(self.work_queue(queue), after=_row_id(after or ""), limit=limit)

    async def publish_dead_letter(
        self, queue: str, body: bytes, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        await self._letters.add(self.work_queue(queue), body, reason, headers)

    async def replay(self, queue: str, id: str) -> bool:
        return await self._letters.replay(self.work_queue(queue), _row_id(id))

    async def replay_many(
        self, queue: str, matches: Callable[[DeadLetter], bool], *, limit: int, per_second: float
    ) -> Replayed:
        return await self._letters.replay_many(
            self.work_queue(queue), matches, limit=limit, pause=1 / per_second, until=self.clock.now()
        )

    async def purge(self, queue: str, id: str) -> bool:
        return await self._letters.purge(self.work_queue(queue), _row_id(id))

    def running_writer(self) -> Writer:
        if self._writer is None:
            raise NotPublished("the bus is not running")
        return self._writer

    def work_queue(self, name: str) -> WorkQueue:
        self.running_writer()
        try:
            return self.queues[name]
        except KeyError:
            raise Refused(f"there is no queue {name}") from None

    def _add_queue(self, name: str, id: int) -> WorkQueue:
        writer = self.running_writer()
        queue = WorkQueue(
            name,
            id,
            writer=writer,
            timer=self._timer,
            isolation=self._isolation,
            on_redelivered=self._isolated.notify,
            max_bug_attempts=min(MAX_BUG_ATTEMPTS, self._delivery_limit),
        )
        return self.queues.setdefault(name, queue)

    def _resume(self) -> None:
        for queue in self.queues.values():
            queue.pump()

    def _arrived(self, promoted: dict[int, tuple[int, int]]) -> None:
        for queue in self.queues.values():
            if queue.id in promoted:
                count, size = promoted[queue.id]
                queue.delayed -= count
                queue.arrived(count, size)

    async def _watch(self, writer: Writer) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY.total_seconds())
            writer.give_up_waiting(self._timeout)


def _row_id(text: str) -> int:
    """The number in `text`; 0, which no row has, for a text that is not an id."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return number if number <= LAST_ROW_ID else 0
