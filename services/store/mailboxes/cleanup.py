"""Deletes by age: unreferenced bodies, quarantined mail, old junk, blobs of the claim check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from libs.blobs import Blobs
from libs.runtime import Periodic

log = structlog.get_logger(__name__)

# A crash may publish a message twice: the second copy needs the blob shortly after the first is done.
RELEASED_KEEP = timedelta(hours=1)

Work = Callable[[], Awaitable[int]]


def cleanup_rounds(jobs: dict[str, Work], *, period: timedelta, removed: Counter) -> tuple[Periodic, ...]:
    """Return a background loop for each job, so that a job that fails does not hold up the others."""

    def row(name: str, work: Work) -> Periodic:
        async def round() -> None:
            count = await work()
            removed.labels(name).inc(count)
            if count:
                log.info("expired_items_removed", kind=name, removed=count)

        return Periodic(f"cleanup_{name}", round, period)

    return tuple(row(name, work) for name, work in jobs.items())


def blob_expiry(blobs: Blobs, *, clock: Callable[[], datetime], keep: timedelta) -> Work:
    """Delete blobs of finished messages, and blobs that a crash left behind.

    A message that waits on a queue is retried more often than `keep`, so its blob is never that old.
    """
    return lambda: blobs.collect(clock() - keep, released_before=clock() - RELEASED_KEEP)
