"""The writer thread: it commits all waiting operations together with one fsync, and reports to the event loop.

An operation is settled on the event loop after its commit, never before. When a group cannot be committed (disk full),
each operation is tried alone, so that acknowledgements, which free space, succeed; no operation is half done.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from libs.bus.embedded.operations import Ack, Operation, Put, Run, Settled, transact
from libs.bus.embedded.queue_file import QueueFile
from libs.bus.ports import NotPublished, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

MAX_GROUP = 500
# The number of free pages that are returned to the disk at a time.
VACUUM_STEP = 512
# Seconds without work before pages are returned, and between two steps of it.
IDLE_AFTER, BETWEEN_STEPS = 1.0, 0.02
# Seconds that acknowledgements wait to be committed with a publication. A message passes five queues, whose
# acknowledgements would need as many further commits, for each of which the next publication would wait.
ACKS_WAIT = 0.05


class Writer:
    """Owns the thread and the file. Its methods are called on the event loop."""

    def __init__(self, open_file: Callable[[], QueueFile]) -> None:
        self._open_file = open_file
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[Operation | None] = queue.SimpleQueue()
        self._closed = False
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._failed_acks: list[Ack] = []
        self._group_since: float | None = None
        self._thread = threading.Thread(target=self._main, name="bus-writer", daemon=True)
        self._waiting: set[Put | Run] = set()
        self.failing = False
        self.stalled = False

    @property
    def usable(self) -> bool:
        """Whether the thread runs and the disk accepts writes."""
        return not self._closed and not self.failing and not self.stalled

    async def start(self) -> None:
        """Open the file. Raises `Unavailable`."""
        self._thread.start()
        await self._opened

    def put(self, operation: Put) -> None:
        self._submit(operation)
        self._waiting.add(operation)

    def ack(self, queue_id: int, id: int) -> None:
        self._submit(Ack(queue_id, id))

    def run(self, act: Callable[[QueueFile], T], then: Callable[[T, Exception | None], None]) -> None:
        """Do `act`; `then` receives its result, or the error, however long the disk takes. Raises `NotPublished`."""
        operation = Run(act, then, None)
        self._submit(operation)
        self._waiting.add(operation)

    def call(
        self, act: Callable[[QueueFile], T], then: Callable[[T, Exception | None], None] | None = None
    ) -> asyncio.Future[T]:
        """The same for a caller, which gets `Unavailable` when the disk takes too long; `then` gets the result."""
        future: asyncio.Future[T] = self._loop.create_future()
        operation = Run(act, then, future)
        self._submit(operation)
        self._waiting.add(operation)
        return future

    def give_up_waiting(self, limit: timedelta) -> None:
        """Release the callers if the disk has kept the current group for longer than `limit`.

        Submitted operations may still become durable, which `Unavailable` does not exclude. Only callers stop waiting:
        the rows of a load are in flight once it is committed, however late.
        """
        since = self._group_since
        self.stalled = since is not None and time.monotonic() - since > limit.total_seconds()
        if not self.stalled:
            return
        for operation in self._waiting:
            if operation.future is not None and not operation.future.done():
                operation.future.set_exception(Unavailable(f"the disk has not answered for {limit}"))

    async def close(self, limit: timedelta) -> None:
        """Commit all submitted operations, then close the file; waits for the disk at most `limit`."""
        if not self._closed:
            self._closed = True
            self._inbox.put(None)
        await asyncio.wait([self._ended], timeout=limit.total_seconds())
        if not self._ended.done():
            log.error("queue_file_close_timed_out", waited=str(limit))

    def _submit(self, operation: Operation) -> None:
        if self._closed:
            raise NotPublished("the bus is closed")
        self._inbox.put(operation)

    def _settle(self, settled: Settled) -> None:
        for operation, result, error in settled:
            self._waiting.discard(operation)
            try:
                operation.settle(result, error)
            except Exception:
                # A bug in one callback must not leave the operations behind it waiting.
                log.exception("queue_operation_callback_failed")

    def _abandon(self) -> None:
        """Fail the waiting operations: the thread has ended."""
        ended = Unavailable("the writer of the queue file has ended")
        self._settle([(operation, None, ended) for operation in list(self._waiting)])

    # In the thread

    def _main(self) -> None:
        try:
            file = self._open_file()
        except Exception as error:
            if not isinstance(error, sqlite3.Error | OSError):
                log.exception("queue_file_open_failed")
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
                pause = BETWEEN_STEPS if self._return_pages(file) else None
                continue
            pause = IDLE_AFTER
            group, last = self._next_group(first)
            if group:
                self._group_since = time.monotonic()
                self._tell(self._settle, self._done(file, group))
                self._group_since = None
            if last:
                return

    def _done(self, file: QueueFile, group: list[Operation]) -> Settled:
        """Commit a group. Whatever fails, the thread goes on with the next group: the bus depends on it."""
        try:
            return self._commit(file, group)
        except Exception as error:
            log.exception("queue_file_commit_failed")
            self.failing = True
            self._failed_acks += [operation for operation in group if isinstance(operation, Ack)]
            failure = Unavailable(f"the queue file: {error!r}")
            return [(operation, None, failure) for operation in group if not isinstance(operation, Ack)]

    def _finish(self, file: QueueFile) -> None:
        orderly, self._closed = self._closed, True
        if not orderly:
            log.error("queue_writer_ended")
        try:
            file.close()
        except sqlite3.Error as error:
            log.error("queue_file_close_timed_out", error=str(error))
        self._tell(self._abandon)
        self._tell(self._ended.set_result, None)

    def _next_group(self, first: Operation | None) -> tuple[list[Operation], bool]:
        """The operations that wait now, and whether they are the last. Acknowledgements wait for a publication."""
        group: list[Operation] = []
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

    def _commit(self, file: QueueFile, group: list[Operation]) -> Settled:
        operations = [*self._failed_acks, *group]
        self._failed_acks = []
        try:
            settled = transact(file, operations)
        except Exception as error:
            self._roll_back(file)
            if len(operations) > 1:
                return [settled for operation in operations for settled in self._commit_alone(file, operation)]
            return self._fail(operations[0], error)
        self.failing = False
        return settled

    def _commit_alone(self, file: QueueFile, operation: Operation) -> Settled:
        try:
            return transact(file, [operation])
        except Exception as error:
            # A bug of one operation goes to its caller; a failing disk fails each in turn.
            self._roll_back(file)
            return self._fail(operation, error)

    def _roll_back(self, file: QueueFile) -> None:
        try:
            file.rollback()
        except sqlite3.Error as error:
            # The transaction stays open; the next one rolls it back first.
            self.failing = True
            log.error("queue_file_rollback_failed", error=str(error))

    def _fail(self, operation: Operation, error: Exception) -> Settled:
        if isinstance(error, sqlite3.Error):
            self.failing = True
            log.error("queue_file_failed", error=str(error))
            # A full disk has stored nothing; after another failure the log of SQLite may have the operation or not.
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            error = (NotPublished if full else Unavailable)(f"the queue file: {error}")
        if isinstance(operation, Ack):
            self._failed_acks.append(operation)
            return []
        return [(operation, None, error)]

    def _return_pages(self, file: QueueFile) -> bool:
        try:
            return file.return_pages(VACUUM_STEP)
        except sqlite3.Error as error:
            log.warning("queue_file_shrink_failed", error=str(error))
            return False

    def _tell(self, callback: Callable[..., object], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            # The loop was closed without `close()`: commits stay, and no caller waits for the answer.
            self._closed = True
