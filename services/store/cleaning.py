"""What goes away by age: bodies that nothing refers to, quarantined mail, blobs of the claim check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from libs.blobs import Blobs
from libs.envelope import Temporary

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[int]]


def cleaning(jobs: dict[str, Work], *, period: timedelta, removed: Counter) -> Callable[[], Awaitable[None]]:
    """For ever: each job in turn, at once and then each `period`. One that fails is tried again in the next round."""

    async def run() -> None:
        while True:
            for name, work in jobs.items():
                removed.labels(name).inc(await _once(name, work))
            await asyncio.sleep(period.total_seconds())

    return run


def old_blobs(blobs: Blobs, *, clock: Callable[[], datetime], keep: timedelta) -> Work:
    """Blobs that nobody touched for so long belong to no message that waits: the runner touches those on each try."""
    return lambda: blobs.collect(clock() - keep)


async def _once(name: str, work: Work) -> int:
    try:
        count = await work()
    except Temporary as error:
        log.warning("cleaning_failed", what=name, reason=error.reason)
        return 0
    if count:
        log.info("cleaned", what=name, removed=count)
    return count
