"""What goes away by age: bodies that nothing refers to, quarantined mail, blobs of the claim check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from libs.blobs import Blobs
from libs.runtime import Periodic

log = structlog.get_logger(__name__)

# The second copy of a message that was published twice, by a crash, may want its bytes soon after the first is done.
RELEASED_KEEP = timedelta(hours=1)

Work = Callable[[], Awaitable[int]]


def cleanup_rounds(jobs: dict[str, Work], *, period: timedelta, removed: Counter) -> tuple[Periodic, ...]:
    """A row of background work for each job, so that one that fails keeps no other from its turn."""

    def row(name: str, work: Work) -> Periodic:
        async def round() -> None:
            count = await work()
            removed.labels(name).inc(count)
            if count:
                log.info("expired_items_removed", kind=name, removed=count)

        return Periodic(f"cleanup_{name}", round, period)

    return tuple(row(name, work) for name, work in jobs.items())


def blob_expiry(blobs: Blobs, *, clock: Callable[[], datetime], keep: timedelta) -> Work:
    """Blobs of messages that are done, and those that a crash left: no message that waits is so old without a try."""
    return lambda: blobs.collect(clock() - keep, released_before=clock() - RELEASED_KEEP)
