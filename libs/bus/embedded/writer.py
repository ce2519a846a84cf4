"""The one thread that writes: it takes everything that waits, commits it together with one fsync, and tells the loop.

An operation is settled on the event loop after its commit, never before. When a group cannot be committed (disk full),
each operation of it is tried alone, so that the acknowledgements, which free space, get through; nothing is half-kept.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import structlog

from libs.bus.embedded.file import QueueFile
from libs.bus.embedded.rows import Row
from libs.bus.ports import NotTaken, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

MAX_GROUP = 500
# How many free pages are given back to the disk at a time.
VACUUM_STEP = 512
# Seconds without work after which pages are given back, and between two steps of it.
IDLE_AFTER, BETWEEN_STEPS = 1.0, 0.02
# Seconds that acknowledgements wait for a publish to be committed with. A message alone comes by five queues, whose
# acknowledgements would need as many commits again, and the next publish wait for each.
ACKS_WAIT = 0.05


class Put(Protocol):
    """A message on its way into a queue. `handed`: it goes to a consumer as soon as it is durable; the writer takes
    that back where others are before it."""

    queue_id: int
    row: Row
    handed: bool
    future: asyncio.Future[Any]

    def settle(self, result: Any, error: Exception | None) -> None: ...


class Run:
    """Anything else that is done in the transaction; `future` gets what it returns."""

    __slots__ = ("act", "future")

    def __init__(self, act: Callable[[QueueFile], Any], future: asyncio.Future[Any]) -> None:
        self.act = act
        self.future = future

    def settle(self, result: Any, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Ack:
    """A row that is done. Nobody waits for it: an acknowledgement that a power cut undoes is a redelivery."""

    __slots__ = ("id", "queue_id")

    def __init__(self, queue_id: int, id: int) -> None:
        self.queue_id = queue_id
        self.id = id


_Operation = Put | Run | Ack
_Settled = list[tuple[Put | Run, Any, Exception | None]]


class Writer:
    """Owns the thread and the file. Its methods are called on the event loop."""

    def __init__(self, open_file: Callable[[], QueueFile]) -> None:
        self._open_file = open_file
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._closed = False
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._failed_acks: list[Ack] = []
        self._group_since: float | None = None
        self._thread = threading.Thread(target=self._main, name="bus-writer", daemon=True)
        self._waiting: set[Put | Run] = set()
        self.failing = False
        self.stalled = False

    async def start(self) -> None:
        """Open the file. Raises `Unavailable`."""
        self._thread.start()
        await self._opened

    def put(self, operation: Put) -> None:
        self._submit(operation)
        self._waiting.add(operation)

    def ack(self, queue_id: int, id: int) -> None:
        self._submit(Ack(queue_id, id))

    def run(self, act: Callable[[QueueFile], T]) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        operation = Run(act, future)
        self._submit(operation)
        self._waiting.add(operation)
        return future

    def give_up_waiting(self, limit: timedelta) -> None:
        """If the disk has kept the current group for longer than `limit`, nobody waits for it any more.

        What was submitted may still become durable: `Unavailable` never promises the contrary.
        """
        since = self._group_since
        self.stalled = since is not None and time.monotonic() - since > limit.total_seconds()
        if not self.stalled:
            return
        for operation in self._waiting:
            if not operation.future.done():
                operation.future.set_exception(Unavailable(f"the disk has not answered for {limit}"))

    async def close(self, limit: timedelta) -> None:
        """Commit all that was submitted, then close the file; waits for the disk at most `limit`."""
        if not self._closed:
            self._closed = True
            self._inbox.put(None)
        await asyncio.wait([self._ended], timeout=limit.total_seconds())
        if not self._ended.done():
            log.error("queue_file_not_closed", waited=str(limit))

    def _submit(self, operation: _Operation) -> None:
        if self._closed:
            raise NotTaken("the bus is closed")
        self._inbox.put(operation)

    def _settle(self, settled: _Settled) -> None:
        for operation, result, error in settled:
            self._waiting.discard(operation)
            operation.settle(result, error)

    # In the thread

    def _main(self) -> None:
        try:
            file = self._open_file()
        except (sqlite3.Error, OSError) as error:
            self._closed = True
            self._tell(self._opened.set_exception, Unavailable(f"the queue file cannot be opened: {error}"))
            self._tell(self._ended.set_result, None)
            return
        self._tell(self._opened.set_result, None)
        try:
            self._serve(file)
        finally:
            self._finish(file)

    def _serve(self, file: QueueFile) -> None:
        pause: float | None = IDLE_AFTER
        while True:
            try:
                first = self._inbox.get(timeout=pause)
            except queue.Empty:
                pause = BETWEEN_STEPS if self._give_pages_back(file) else None
                continue
            pause = IDLE_AFTER
            group, last = self._take(first)
            if group:
                self._group_since = time.monotonic()
                self._tell(self._settle, self._commit(file, group))
                self._group_since = None
            if last:
                return

    def _finish(self, file: QueueFile) -> None:
        try:
            file.close()
        except sqlite3.Error as error:
            log.error("queue_file_not_closed", error=str(error))
        self._tell(self._ended.set_result, None)

    def _take(self, first: _Operation | None) -> tuple[list[_Operation], bool]:
        """All that waits now, and whether it is the end. Acknowledgements alone wait for company."""
        group: list[_Operation] = []
        operation, only_acks, end = first, True, time.monotonic() + ACKS_WAIT
        while operation is not None:
            group.append(operation)
            if len(group) == MAX_GROUP:
                return group, False
            only_acks = only_acks and isinstance(operation, Ack)
            patience = end - time.monotonic() if only_acks else 0.0
            try:
                operation = self._inbox.get(timeout=patience) if patience > 0 else self._inbox.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, file: QueueFile, group: list[_Operation]) -> _Settled:
        operations = [*self._failed_acks, *group]
        self._failed_acks = []
        try:
            settled = _transact(file, operations)
        except Exception as error:
            file.rollback()
            if len(operations) > 1:
                return [settled for operation in operations for settled in self._commit_alone(file, operation)]
            return self._fail(operations[0], error)
        self.failing = False
        return settled

    def _commit_alone(self, file: QueueFile, operation: _Operation) -> _Settled:
        try:
            return _transact(file, [operation])
        except Exception as error:
            # A bug of one operation goes to its own caller; a failing disk fails each in turn.
            file.rollback()
            return self._fail(operation, error)

    def _fail(self, operation: _Operation, error: Exception) -> _Settled:
        if isinstance(error, sqlite3.Error):
            self.failing = True
            log.error("queue_file_failed", error=str(error))
            # Of a full disk nothing was written; after any other failure the log of SQLite may hold it or not.
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            error = (NotTaken if full else Unavailable)(f"the queue file: {error}")
        if isinstance(operation, Ack):
            self._failed_acks.append(operation)
            return []
        return [(operation, None, error)]

    def _give_pages_back(self, file: QueueFile) -> bool:
        try:
            return file.give_pages_back(VACUUM_STEP)
        except sqlite3.Error as error:
            log.warning("queue_file_not_shrunk", error=str(error))
            return False

    def _tell(self, callback: Callable[..., object], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            # The loop was closed without `close()`: what is committed stays, nobody waits for the answer.
            self._closed = True


def _transact(file: QueueFile, operations: list[_Operation]) -> _Settled:
    """One transaction: first what comes in, then the rest in its order, then what is done."""
    puts: dict[int, list[Put]] = {}
    done: dict[int, list[int]] = {}
    settled: _Settled = []
    runs: list[Run] = []
    for operation in operations:
        if isinstance(operation, Ack):
            done.setdefault(operation.queue_id, []).append(operation.id)
        elif isinstance(operation, Run):
            runs.append(operation)
        else:
            puts.setdefault(operation.queue_id, []).append(operation)
    file.begin()
    for queue_id, group in puts.items():
        settled += _insert(file, queue_id, group)
    settled += [(run, run.act(file), None) for run in runs]
    for queue_id, ids in done.items():
        file.delete(queue_id, ids)
    file.commit()
    return settled


def _insert(file: QueueFile, queue_id: int, group: list[Put]) -> _Settled:
    # A row that nobody has had may have come in since the loop last heard (a retry that fell due, a replay). Whoever
    # is handed out before it would move the mark past it, and it would be passed over until the next start.
    straight = file.all_in_hand(queue_id)
    first = file.insert(queue_id, [put.row for put in group])
    for id, put in enumerate(group, first):
        put.handed = straight = straight and put.handed
        if straight:
            file.set_mark(queue_id, id)
    return [(put, id, None) for id, put in enumerate(group, first)]
