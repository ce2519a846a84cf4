"""A message in flight, and its settlement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from libs.bus.embedded.queue_file import QueueFile
from libs.bus.embedded.retries import RetryTimer
from libs.bus.embedded.rows import StoredRow, bugs_of, decode_headers, with_bugs
from libs.bus.embedded.writer import Writer
from libs.bus.ports import Unavailable
from libs.bus.retry_ages import RetryAges


class DeliveryOwner(Protocol):
    """The consumer of a delivery."""

    in_flight: int


class DeliveryQueue(Protocol):
    """The queue of a delivery: its counters, and where its changes are written."""

    name: str
    id: int
    writer: Writer
    timer: RetryTimer
    retry_ages: RetryAges
    delayed: int
    dead: int
    in_flight: int

    def hand(self, delivery: EmbeddedDelivery) -> None: ...

    def pump(self) -> None: ...


class EmbeddedDelivery:
    """A message in flight."""

    __slots__ = ("_attempts", "_first_seen", "_headers", "_queue", "body", "consumer", "id", "settled")

    def __init__(self, queue: DeliveryQueue, row: StoredRow) -> None:
        self._queue = queue
        self.id, self._first_seen, attempts, returned, self._headers, self.body = row
        self._attempts = attempts + returned
        self.consumer: DeliveryOwner | None = None
        self.settled = False

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
        self._mark_settled()
        try:
            self._queue.writer.ack(self._queue.id, self.id)
        except Unavailable:
            self.settled = False
            raise
        self._after_settlement()

    async def retry(self, delay: timedelta, *, reason: str, body: bytes | None = None, bug: bool = False) -> None:
        queue, id, attempts = self._queue, self.id, self.attempt
        headers = with_bugs(self._headers, self.bugs + 1) if bug else self._headers
        due = queue.timer.due_after(delay)

        def delayed() -> None:
            queue.delayed += 1
            queue.timer.expect(due)
            queue.retry_ages.deferred(self.first_seen, delay, now=queue.timer.clock.moment())

        await self._settle_with(
            lambda file: file.delay(queue.id, id, due=due, attempts=attempts, headers=headers, body=body), delayed
        )

    async def dead_letter(self, reason: str) -> None:
        queue, id, attempts = self._queue, self.id, self.attempt
        text = reason.encode(errors="replace").decode()
        died_at = queue.timer.clock.now()

        def dead_lettered() -> None:
            queue.dead += 1

        await self._settle_with(
            lambda file: file.dead_letter(queue.id, id, reason=text, died_at=died_at, attempts=attempts), dead_lettered
        )

    async def requeue(self) -> None:
        self._mark_settled()
        again = EmbeddedDelivery(self._queue, (self.id, self._first_seen, self._attempts, 0, self._headers, self.body))
        self._after_settlement()
        self._queue.hand(again)

    async def _settle_with(self, act: Callable[[QueueFile], None], then: Callable[[], None]) -> None:
        """Settle with the commit of `act`; if that fails, the delivery may be settled in another way.

        Waits for the disk without a limit, since only the commit decides where the message is.
        """
        self._mark_settled()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def committed(_: None, error: Exception | None) -> None:
            if error is None:
                then()
                self._after_settlement()
            else:
                self.settled = False
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)

        try:
            self._queue.writer.run(act, committed)
        except Unavailable:
            self.settled = False
            raise
        # The cancellation of a caller does not undo a submitted operation.
        await done

    def _mark_settled(self) -> None:
        if self.settled:
            raise RuntimeError(f"this delivery of {self.queue} was already settled")
        self.settled = True

    def _after_settlement(self) -> None:
        self._queue.in_flight -= 1
        if self.consumer is not None:
            self.consumer.in_flight -= 1
        self._queue.pump()
