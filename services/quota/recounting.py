"""The slow loop that recounts every mailbox once in a while, so that no drift lives long (R-QT-02)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from libs.envelope import Permanent, Temporary
from services.quota.adapters.usage import MongoUsage
from services.quota.handlers import Accountant

log = structlog.get_logger(__name__)

_PAUSE = timedelta(minutes=5)


def recounting(
    usage: MongoUsage, accountant: Accountant, *, period: timedelta, clock: Callable[[], datetime]
) -> Callable[[], Awaitable[None]]:
    """Background work: every mailbox once in `period`."""

    async def work() -> None:
        while True:
            await asyncio.sleep(_PAUSE.total_seconds())
            try:
                async for address in usage.due_for_recount(clock() - period):
                    await accountant.recount(address)
            except (Temporary, Permanent) as error:
                log.warning("recount_deferred", reason=error.reason)

    return work
