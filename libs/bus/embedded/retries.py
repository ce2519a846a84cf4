"""Retries: returns delayed messages when they are due, independent of jumps of the wall clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from libs.bus.dispatch import delay_step
from libs.bus.embedded.writer import Writer
from libs.bus.ports import Unavailable

log = structlog.get_logger(__name__)

PROMOTE_AT_ONCE = 500
AGAIN = 1.0  # seconds before a failed promotion is tried again

Promoted = tuple[dict[int, tuple[int, int]], float | None]


class BusClock:
    """The wall clock at the start, advanced by the monotonic clock. Epoch seconds."""

    def __init__(self, wall: Callable[[], datetime]) -> None:
        self._offset = wall().timestamp() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)


class RetryTimer:
    """Wakes when the first delayed message is due; `arrived` receives the count and bytes that each queue gained."""

    def __init__(
        self,
        writer: Writer,
        clock: BusClock,
        retry_delays: Sequence[timedelta],
        arrived: Callable[[dict[int, tuple[int, int]]], None],
    ) -> None:
        self.clock = clock
        self._writer = writer
        self._retry_delays = retry_delays
        self._arrived = arrived
        self._due: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def due_after(self, delay: timedelta) -> float:
        return self.clock.now() + delay_step(self._retry_delays, delay).total_seconds()

    def expect(self, due: float | None) -> None:
        """Note that a message is due at `due`; None when there is none."""
        if due is None or (self._due is not None and self._due <= due):
            return
        self.stop()
        self._due = due
        self._handle = asyncio.get_running_loop().call_later(max(0.0, due - self.clock.now()), self._promote)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._due = None

    def _promote(self) -> None:
        self._handle = self._due = None
        now = self.clock.now()
        try:
            self._writer.run(lambda file: file.promote(now, PROMOTE_AT_ONCE), self._promoted)
        except Unavailable:
            return  # closing: the messages are due at the next start

    def _promoted(self, promotion: Promoted, error: Exception | None) -> None:
        if error is not None:
            log.warning("retry_promotion_failed", error=repr(error))
            self.expect(self.clock.now() + AGAIN)
            return
        promoted, due = promotion
        self._arrived(promoted)
        self.expect(due)
