"""Junk that is old enough, by domain (R-SPAM-44)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from libs.runtime.periodic import each
from services.store.mailboxes.cleanup import Work
from services.store.mailboxes.mongo_changes import Changed
from services.store.mailboxes.usage_publisher import Announcer

log = structlog.get_logger(__name__)

MOST = 20_000  # messages in one round, so that it ends


class JunkKeeps(Protocol):
    """The router, which knows what each domain wishes."""

    async def by_domain(self) -> Mapping[str, timedelta]:
        """How long Junk is kept, of the domains that empty it. Raises `Temporary`."""


class JunkFolders(Protocol):
    """Those of the mailboxes."""

    async def mailboxes(self, domain: str) -> Sequence[str]:
        """The mailboxes of `domain` that have something in Junk. Raises `Temporary`."""

    def expunged(self, mailbox: str, before: datetime) -> AsyncIterator[Changed]:
        """Expunges step by step what came into its Junk before that time. Raises `Temporary`."""


def old_junk(
    keeps: JunkKeeps, folders: JunkFolders, announcements: Announcer, *, clock: Callable[[], datetime]
) -> Work:
    """One round; what it frees is told at once. A mailbox that cannot be cleaned keeps no other one full."""

    async def work() -> int:
        removed, now = 0, clock()

        async def expired() -> AsyncIterator[tuple[str, datetime]]:
            for domain, keep in (await keeps.by_domain()).items():
                for mailbox in await folders.mailboxes(domain):
                    if removed < MOST:
                        yield mailbox, now - keep

        async def clean(item: tuple[str, datetime]) -> None:
            nonlocal removed
            async for changed in folders.expunged(*item):
                announcements.changed([changed.usage])
                removed += len(changed.messages)
                if removed >= MOST:
                    return

        await each(expired(), clean, park=_put_off)
        return removed

    return work


async def _put_off(item: tuple[str, datetime], reason: str) -> None:
    """Until the next round."""
    log.error("junk_not_cleaned", mailbox=item[0], reason=reason)
