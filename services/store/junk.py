"""Junk that is old enough, by domain (R-SPAM-44)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from services.store.adapters.mongo_changes import Changed
from services.store.cleaning import Work
from services.store.ports import Announcements

MOST = 20_000  # messages in one round, so that the other work of the round has its turn


class JunkKeeps(Protocol):
    """The router, which knows what each domain wishes."""

    async def by_domain(self) -> Mapping[str, timedelta]:
        """How long Junk is kept, of the domains that empty it. Raises `Temporary`."""


class JunkFolders(Protocol):
    """Those of the mailboxes."""

    def expunged(self, domain: str, before: datetime) -> AsyncIterator[Changed]:
        """Expunges step by step what came into Junk before that time. Raises `Temporary`."""


def old_junk(
    keeps: JunkKeeps, folders: JunkFolders, announcements: Announcements, *, clock: Callable[[], datetime]
) -> Work:
    """One round; what it frees is told at once."""

    async def work() -> int:
        removed, now = 0, clock()
        for domain, keep in (await keeps.by_domain()).items():
            async for changed in folders.expunged(domain, now - keep):
                announcements.changed([changed.usage])
                removed += len(changed.messages)
                if removed >= MOST:
                    return removed
        return removed

    return work
