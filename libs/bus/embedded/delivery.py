"""One message in hand, and its ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from libs.bus.embedded.file import QueueFile
from libs.bus.embedded.rows import StoredRow, bugs_of, decode_headers, with_bugs
from libs.bus.ports import Unavailable

if TYPE_CHECKING:
    from libs.bus.embedded.queues import EmbeddedConsumer, WorkQueue


class EmbeddedDelivery:
    """One message in hand."""

    __slots__ = ("_attempts", "_first_seen", "_headers", "_queue", "body", "consumer", "ended", "id")

    def __init__(self, queue: WorkQueue, row: StoredRow) -> None:
        self._queue = queue
        self.id, self._first_seen, attempts, returned, self._headers, self.body = row
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
            self._queue.writer.ack(self._queue.id, self.id)
        except Unavailable:
            self.ended = False
            raise
        self._ended()

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        queue, id, attempts = self._queue, self.id, self.attempt
        headers = with_bugs(self._headers, self.bugs + 1) if bug else self._headers
        due = queue.timer.due_after(delay)

        def delayed() -> None:
            queue.delayed += 1
            queue.timer.expect(due)
            queue.ages.deferred(self.first_seen, delay, now=queue.timer.clock.moment())

        await self._end_with(
            lambda file: file.delay(queue.id, id, due=due, attempts=attempts, headers=headers, body=body), delayed
        )

    async def bury(self, reason: str) -> None:
        queue, id, attempts = self._queue, self.id, self.attempt
        text = reason.encode(errors="replace").decode()
        died_at = queue.timer.clock.now()

        def buried() -> None:
            queue.dead += 1

        await self._end_with(
            lambda file: file.bury(queue.id, id, reason=text, died_at=died_at, attempts=attempts), buried
        )

    async def release(self) -> None:
        self._end()
        again = EmbeddedDelivery(self._queue, (self.id, self._first_seen, self._attempts, 0, self._headers, self.body))
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
