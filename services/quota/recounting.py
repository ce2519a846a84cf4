"""The periodic job that recounts every mailbox, so that drift does not last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from libs.runtime import Periodic
from libs.runtime.periodic import each
from services.quota.adapters.usage import MongoUsage
from services.quota.handlers import UsageHandler

log = structlog.get_logger(__name__)

_PAUSE = timedelta(minutes=5)
_AGAIN = timedelta(hours=1)


def recounting(
    usage: MongoUsage, handler: UsageHandler, *, period: timedelta, clock: Callable[[], datetime]
) -> Periodic:
    """Background work: every mailbox once in `period`. One that cannot be counted is tried again before that."""

    async def recount(address: str) -> None:
        try:
            await handler.recount(address)
        except BaseException:
            await usage.recounted_at(address, clock() - max(period - _AGAIN, timedelta(0)))
            raise

    async def park(address: str, reason: str) -> None:
        log.error("recount_failed", mailbox=address, reason=reason)
        await usage.recounted_at(address, clock())

    async def round() -> None:
        await each(usage.due_for_recount(clock() - period), recount, park=park)

    return Periodic("recount", round, _PAUSE)
