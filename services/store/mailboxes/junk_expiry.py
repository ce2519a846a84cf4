"""Expunges old junk, by the retention that each domain sets."""

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

MAX_MESSAGES = 20_000  # in one round, so that it ends


class JunkRetentionDirectory(Protocol):
    """The router, which knows the retention of junk of each domain."""

    async def junk_retentions(self) -> Mapping[str, timedelta]:
        """Return the retention of the domains that empty Junk. Raises `Temporary`."""


def junk_expiry(
    keeps: JunkRetentionDirectory,
    folders: MongoJunkFolders,
    usage_publisher: UsagePublisher,
    *,
    clock: Callable[[], datetime],
) -> Work:
    """Return a job that expunges old junk and publishes the usage. A failing mailbox does not hold up the others."""

    async def work() -> int:
        removed, now = 0, clock()

        async def expired() -> AsyncIterator[tuple[str, datetime]]:
            for domain, keep in (await keeps.junk_retentions()).items():
                for mailbox in await folders.mailboxes_with_junk(domain):
                    if removed < MAX_MESSAGES:
                        yield mailbox, now - keep

        async def clean(item: tuple[str, datetime]) -> None:
            nonlocal removed
            async for changed in folders.expunge_before(*item):
                usage_publisher.enqueue([changed.usage])
                removed += len(changed.messages)
                if removed >= MAX_MESSAGES:
                    return

        await each(expired(), clean, park=_put_off)
        return removed

    return work


async def _put_off(item: tuple[str, datetime], reason: str) -> None:
    """Leave the mailbox to the next round."""
    log.error("junk_not_expunged", mailbox=item[0], reason=reason)
