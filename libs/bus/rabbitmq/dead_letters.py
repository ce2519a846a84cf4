"""Lists, replays and deletes dead letters.

A queue has no random access: reading a message means to consume it and all before it, and to requeue them. The cost is
the transfer of everything up to the page or the letter, so that work at the front of the queue is cheap and a page
behind 10,000 letters is not. A consumed letter is invisible to others: an exclusive queue is the lock that admits one
caller in the cluster at a time; the broker deletes it with the connection of a caller that dies.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from libs.bus.ports import DeadLetter, Refused, Replayed, Unavailable
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties, decode_properties
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.bus.rabbitmq.publisher import Publisher
from libs.bus.rabbitmq.subscription import ConsumerChannel
from libs.bus.rabbitmq.topology import dead_queue, message_count

log = structlog.get_logger(__name__)

MAX_SCANNED = 50_000
# The number of letters that are fetched at a time, and so at most in memory.
FIRST_STEP, LONGEST_STEP = 128, 512
POLL = 0.02


@dataclass(frozen=True, slots=True)
class ScannedLetter:
    """A dead letter of a running scan."""

    tag: int
    id: str
    properties: Properties
    body: bytes


class DeadLetters:
    """The dead letters of all queues, over one connection."""

    def __init__(self, *, timeout: timedelta) -> None:
        self._timeout = timeout
        # The lock on the broker excludes other connections; this one excludes other callers of this process.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def page(self, connection: AmqpConnection, queue: str, *, after: str | None, limit: int) -> list[DeadLetter]:
        """A page behind `after`; from the front when `after` no longer exists."""
        front: list[DeadLetter] = []
        behind: list[DeadLetter] = []
        passed = False
        async with self.scan(connection, dead_queue(queue)) as scan:
            async for found in scan.letters():
                page = behind if passed else front
                if len(page) < limit:
                    page.append(self._to_dead_letter(queue, found))
                if len(behind if after is not None else front) >= limit:
                    break
                passed = passed or found.id == after
        return behind if passed else front

    async def replay(self, connection: AmqpConnection, queue: str, id: str, publisher: Publisher) -> bool:
        async with self.scan(connection, dead_queue(queue)) as scan:
            found = await scan.find(id)
            if found is not None:
                headers = messages.own_headers(found.properties)
                await publisher.to_queue(queue, messages.new_properties(headers), found.body)
                scan.drop(found)
        return found is not None

    async def replay_many(
        self,
        connection: AmqpConnection,
        queue: str,
        matches: Callable[[DeadLetter], bool],
        publisher: Publisher,
        *,
        limit: int,
        pause: float,
    ) -> Replayed:
        """Replay in one pass over the present letters; `pause` seconds follow each replayed one."""
        count = 0
        async with self.scan(connection, dead_queue(queue)) as scan:
            async for found in scan.letters():
                if not matches(self._to_dead_letter(queue, found)):
                    continue
                if count == limit:
                    return Replayed(count, more=True)
                headers = messages.own_headers(found.properties)
                await publisher.to_queue(queue, messages.new_properties(headers), found.body)
                scan.drop(found)
                count += 1
                await asyncio.sleep(pause)
            return Replayed(count, more=scan.is_cut)

    async def purge(self, connection: AmqpConnection, queue: str, id: str) -> bool:
        async with self.scan(connection, dead_queue(queue)) as scan:
            found = await scan.find(id)
            if found is not None:
                scan.drop(found)
        return found is not None

    def _to_dead_letter(self, queue: str, found: ScannedLetter) -> DeadLetter:
        return messages.dead_letter(queue, found.id, found.properties, found.body)

    @asynccontextmanager
    async def scan(self, connection: AmqpConnection, name: str) -> AsyncIterator[Scan]:
        """Scan the queue `name`, for one caller in the cluster at a time."""
        async with self._locks[name], _locked(connection, name, self._timeout):
            waiting = await message_count(connection, name)
            scan = Scan(connection, name, waiting, self._timeout)
            try:
                await scan.open()
                yield scan
            finally:
                await scan.requeue_all()


class Scan:
    """One pass over a queue from its front, under an exclusive lock."""

    def __init__(self, connection: AmqpConnection, name: str, waiting: int, timeout: timedelta) -> None:
        self._connection = connection
        self._name = name
        self._waiting = min(waiting, MAX_SCANNED)
        self._timeout = timeout
        self._arrived: asyncio.Queue[tuple[int, bytes, bytes]] = asyncio.Queue()
        self._channel = ConsumerChannel(connection.demux, self._arrive, timeout=timeout)
        self._total = waiting
        self.is_cut = waiting > MAX_SCANNED  # one pass does not cover all of them

    async def open(self) -> None:
        await self._channel.open()

    async def letters(self) -> AsyncIterator[ScannedLetter]:
        """Yield the letters, oldest first. Raises `Unavailable` when the broker stops delivering."""
        if not self._waiting:
            return
        seen: dict[str, int] = {}
        asked, step = 0, FIRST_STEP
        for position in range(self._waiting):
            if position == asked:
                # A consumer for each step, since the prefetch of one cannot be raised.
                await self._channel.consume(self._name, prefetch=min(step, self._waiting - asked), tag=f"c{asked}")
                asked, step = asked + step, min(step * 2, LONGEST_STEP)
            tag, encoded, body = await self._next()
            properties = decode_properties(encoded)
            id = properties.message_id or hashlib.sha256(body).hexdigest()
            # The broker may hold a message twice; each copy gets an id of its own.
            seen[id] = seen.get(id, 0) + 1
            yield ScannedLetter(tag, id if seen[id] == 1 else f"{id}~{seen[id]}", properties, body)

    async def find(self, id: str) -> ScannedLetter | None:
        async for found in self.letters():
            if found.id == id:
                return found
        return None

    def drop(self, found: ScannedLetter) -> None:
        """Delete the letter."""
        self._channel.ack(found.tag)
        self._total -= 1

    async def requeue_all(self) -> None:
        """Requeue the consumed letters in order by closing the channel. Returns when others can consume them again."""
        await self._channel.close()
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                while await message_count(self._connection, self._name) < self._total:
                    await asyncio.sleep(POLL)
        except (TimeoutError, Unavailable, Refused) as error:
            # No letter is lost: the broker requeues those of a closed channel. Only the next scan may start too early.
            log.warning("dead_letters_return_timed_out", queue=self._name, error=repr(error))

    def _arrive(self, channel: ConsumerChannel, tag: int, properties: bytes, body: bytes) -> None:
        self._arrived.put_nowait((tag, properties, body))

    async def _next(self) -> tuple[int, bytes, bytes]:
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                return await self._arrived.get()
        except TimeoutError as error:
            raise Unavailable("the broker stopped giving dead letters") from error


@asynccontextmanager
async def _locked(connection: AmqpConnection, name: str, limit: timedelta) -> AsyncIterator[None]:
    """Hold the lock of the cluster. Raises `Unavailable` when another caller keeps it too long."""
    lock = f"lock.{name}"
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 4 * limit.total_seconds()
    held = False
    try:
        while not (held := await _try_lock(connection, lock)):
            if loop.time() > deadline:
                raise Unavailable(f"another caller scans {name}")
            await asyncio.sleep(POLL)
        yield
    except (asyncio.CancelledError, Unavailable):
        # The broker may have granted the lock to a request whose answer was not awaited.
        held = True
        raise
    finally:
        if held:
            await _unlock(connection, lock)


async def _unlock(connection: AmqpConnection, lock: str) -> None:
    """Release the lock, also under another cancellation. The lock of another connection stays."""
    unlocking = asyncio.ensure_future(connection.control(lambda channel: channel.queue_delete(lock)))
    try:
        await asyncio.shield(unlocking)
    except asyncio.CancelledError:
        unlocking.add_done_callback(_report)
        raise
    except (Unavailable, Refused) as error:
        # The broker deletes it with the connection at the latest.
        log.warning("dead_letters_unlock_failed", lock=lock, reason=error.reason)


def _report(unlocking: asyncio.Future[Any]) -> None:
    if not unlocking.cancelled() and (error := unlocking.exception()) is not None:
        log.warning("dead_letters_unlock_failed", reason=str(error))


async def _try_lock(connection: AmqpConnection, lock: str) -> bool:
    try:
        await connection.control(lambda channel: channel.declare_queue(lock, exclusive=True))
    except Refused:
        return False
    return True
