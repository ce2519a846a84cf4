"""Background work: rounds that are repeated, counted, backed off when they fail, and never end by themselves.

A service lists its background work as rows of `Service.background`. A round that raises is logged, counted and tried
again after a growing pause; it never ends the process. Only `MustEnd` does: going on would do harm.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog

from libs.bus.dispatch import is_being_cancelled
from libs.envelope import Permanent, Temporary
from libs.runtime.failures import merge_errors
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

Item = TypeVar("Item")
Loop = Callable[[], Awaitable[None]]

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=1)
# After so many temporary failures in a row a neighbour is probably away: the other items wait for the next run.
TEMPORARY_IN_A_ROW = 10


class MustEnd(Exception):
    """Continuing would do harm. The process exits with this reason; embedded mode then restarts it, a few times."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """A row of background work: `round` is called at once, then each `period`, and earlier when `wake` is set.

    `wake` is cleared before a run begins: if it is set during a run, another run follows.
    """

    name: str
    round: Callable[[], Awaitable[None]]
    period: timedelta
    wake: asyncio.Event | None = None


def periodic(work: Periodic | Loop) -> Periodic:
    """Return the row itself, or a row that runs a loop, whose end for any reason is a failure."""
    if isinstance(work, Periodic):
        return work

    async def endless() -> None:
        await work()
        raise RuntimeError("the loop ended")

    return Periodic(getattr(work, "__qualname__", repr(work)), endless, FIRST_PAUSE)


async def rest(seconds: float, wake: asyncio.Event | None) -> None:
    """Return after `seconds`, or when `wake` is set."""
    if wake is None:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()


class PeriodicRunner:
    """Runs one row until it is cancelled, or until `is_stopping` says that the service ends."""

    def __init__(
        self,
        row: Periodic,
        metrics: Metrics,
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        pause: Callable[[float, asyncio.Event | None], Awaitable[None]] = rest,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = row.name
        self.failures = 0  # in a row
        self.reason = ""  # of the last failure, while the row fails
        self._row = row
        self._metrics = metrics
        self._is_stopping = is_stopping
        self._pause = pause
        self._jitter = jitter

    async def run(self) -> None:
        """Raises `MustEnd` when a round does."""
        while not self._is_stopping():
            if self._row.wake is not None:
                self._row.wake.clear()
            if await self._round():
                await self._pause(self._row.period.total_seconds(), self._row.wake)
            else:
                # Without `wake`: a job that each message wakes would not pause at all.
                await self._pause(self._back_off(), None)

    async def check(self) -> None:
        """For the verbose readiness, which needs no token. Raises `Temporary` while the last round failed."""
        if self.failures:
            raise Temporary(f"failed {self.failures} times in a row, the log says why")

    async def _round(self) -> bool:
        """Run the job once; return whether it succeeded."""
        started = time.monotonic()
        try:
            await self._row.round()
        except MustEnd:
            self._count("must_end")
            raise
        except ExceptionGroup as group:
            self._failed(merge_errors(group), started)
        except Exception as error:
            self._failed(error, started)
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            # Something that the round waited for was cancelled. The row goes on all the same.
            self._failed(RuntimeError(f"something that was waited for was cancelled: {error}"), started)
        else:
            self.failures, self.reason = 0, ""
            self._count("done")
            self._metrics.periodic_last_success.labels(self.name).set_to_current_time()
            return True
        return False

    def _failed(self, error: Exception, started: float) -> None:
        if self._is_stopping():
            return
        if time.monotonic() - started > LONGEST_PAUSE.total_seconds():
            self.failures = 0  # it went well for long: this is another failure than the last one
        self.failures += 1
        self.reason = reason_of(error)
        if isinstance(error, Temporary | Permanent):
            self._count("failed")
            log.warning("periodic_job_failed", work=self.name, failures=self.failures, reason=self.reason)
        else:
            self._count("bug")
            log.error("periodic_job_failed", work=self.name, failures=self.failures, exc_info=error)

    def _count(self, outcome: str) -> None:
        self._metrics.periodic_runs.labels(self.name, outcome).inc()

    def _back_off(self) -> float:
        """Seconds: doubled with each failure, up to a limit; less by a random part, so that replicas do not meet."""
        doubled = FIRST_PAUSE.total_seconds() * 2 ** min(self.failures - 1, 10) if self.failures else 0
        return min(doubled, LONGEST_PAUSE.total_seconds()) * (1 - self._jitter() / 4)


async def each(
    items: AsyncIterable[Item] | Iterable[Item],
    work: Callable[[Item], Awaitable[None]],
    *,
    park: Callable[[Item, str], Awaitable[None]],
) -> None:
    """Do `work` for each of `items`; one that fails does not keep the others from theirs.

    An item that raises anything but `Temporary` goes to `park` with its reason, so that the next round does not meet
    it again. Raises `Temporary` at the end when items failed for now, and at once after several of them in a row.
    """
    late: list[Temporary] = []
    in_a_row = 0
    async for item in _each_of(items):
        try:
            await work(item)
        except Temporary as error:
            late.append(error)
            in_a_row += 1
            if in_a_row >= TEMPORARY_IN_A_ROW:
                break
        except (Exception, asyncio.CancelledError) as error:
            if is_being_cancelled():
                raise
            log.error("periodic_item_failed", exc_info=error)
            await park(item, reason_of(error))
        else:
            in_a_row = 0
    if late:
        raise Temporary(f"{len(late)} items failed for now: {late[0].reason}") from late[0]


async def _each_of(items: AsyncIterable[Item] | Iterable[Item]) -> AsyncIterable[Item]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def reason_of(error: BaseException) -> str:
    """One line for the operator."""
    return error.reason if isinstance(error, Temporary | Permanent) else f"{type(error).__name__}: {error}"[:500]
