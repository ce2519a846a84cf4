"""Junk that is old enough, by domain (R-SPAM-44)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from libs.runtime.periodic import each
from services.store.mailboxes.cleanup import Work
from services.store.mailboxes.mongo_expunge import MongoJunkFolders
from services.store.mailboxes.usage_publisher import UsagePublisher

log = structlog.get_logger(__name__)

MOST = 20_000  # messages in one round, so that it ends


class JunkRetention(Protocol):
    """The router, which knows what each domain wishes."""

    async def junk_retentions(self) -> Mapping[str, timedelta]:
        """How long Junk is kept, of the domains that empty it. Raises `Temporary`."""


def junk_expiry(
    keeps: JunkRetention, folders: MongoJunkFolders, usage_publisher: UsagePublisher, *, clock: Callable[[], datetime]
) -> Work:
    """One round; what it frees is told at once. A mailbox that cannot be cleaned keeps no other one full."""

    async def work() -> int:
        removed, now = 0, clock()

        async def expired() -> AsyncIterator[tuple[str, datetime]]:
            for domain, keep in (await keeps.junk_retentions()).items():
                for mailbox in await folders.mailboxes_with_junk(domain):
                    if removed < MOST:
                        yield mailbox, now - keep

        async def clean(item: tuple[str, datetime]) -> None:
            nonlocal removed
            async for changed in folders.expunge_before(*item):
                usage_publisher.enqueue([changed.usage])
                removed += len(changed.messages)
                if removed >= MOST:
                    return

        await each(expired(), clean, park=_put_off)
        return removed

    return work


async def _put_off(item: tuple[str, datetime], reason: str) -> None:
    """Until the next round."""
    log.error("junk_not_expunged", mailbox=item[0], reason=reason)
