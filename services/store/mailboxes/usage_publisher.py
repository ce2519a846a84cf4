"""Publishes the usage of mailboxes.

Totals are absolute and versioned, so that many changes of a mailbox within a moment are one event. Published versions
are recorded; events that a crash lost are found at the start and from time to time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from libs.bus import Bus
from libs.envelope import Temporary
from libs.events import MailboxUsageChanged
from libs.runtime import Periodic
from libs.runtime.periodic import reason_of
from services.store.mailboxes.messages import MailboxUsage

log = structlog.get_logger(__name__)

MAX_CONCURRENT_EVENTS = 50


class PublishedUsage(Protocol):
    """The record of the usage that was published."""

    async def mark_published(self, usages: Sequence[MailboxUsage]) -> None:
        """Record these totals. Raises `Temporary`."""

    def unpublished(self) -> AsyncIterator[MailboxUsage]:
        """Yield totals without an event. Raises `Temporary`."""


class UsagePublisher:
    """Gathers totals for `window`, then emits the newest of each mailbox."""

    def __init__(self, bus: Bus, memory: PublishedUsage, *, window: timedelta, recheck: timedelta) -> None:
        self._bus = bus
        self._memory = memory
        self._window = window.total_seconds()
        self._recheck = recheck.total_seconds()
        self._waiting: dict[str, MailboxUsage] = {}
        self._something = asyncio.Event()

    def enqueue(self, usages: Iterable[MailboxUsage]) -> None:
        """Queue these totals for publishing."""
        for usage in usages:
            known = self._waiting.get(usage.address)
            if known is None or known.version < usage.version:
                self._waiting[usage.address] = usage
        if self._waiting:
            self._something.set()

    @property
    def background(self) -> tuple[Periodic, ...]:
        """Return the background loops: publish changes, and look for changes that a crash left unpublished."""
        recheck = timedelta(seconds=self._recheck)
        return (
            Periodic("usage", self.round, recheck, self._something),
            Periodic("unpublished_usage", self.requeue_unpublished, recheck),
        )

    async def round(self) -> None:
        """Publish the changes of one window. Raises `Temporary`; unpublished changes stay queued."""
        await asyncio.sleep(self._window)
        await self.flush()

    async def requeue_unpublished(self) -> None:
        """Queue changes that a crash left unpublished. Raises `Temporary`."""
        async for usage in self._memory.unpublished():
            self.enqueue([usage])

    async def close(self) -> None:
        """Publish the last changes; changes that fail now are found at the next start."""
        try:
            await self.flush()
        except Temporary as error:
            log.warning("usage_not_published", mailboxes=len(self._waiting), reason=error.reason)

    async def flush(self) -> None:
        """Publish all queued changes now. Raises `Temporary`; unpublished changes stay queued."""
        self._something.clear()
        batch, self._waiting = list(self._waiting.values()), {}
        while batch:
            now, batch = batch[:MAX_CONCURRENT_EVENTS], batch[MAX_CONCURRENT_EVENTS:]
            try:
                await self._publish(now)
            except BaseException:
                self.enqueue([*now, *batch])  # a repeated event does no harm
                raise

    async def _publish(self, usages: Sequence[MailboxUsage]) -> None:
        results = await asyncio.gather(*map(self._emit, usages), return_exceptions=True)
        done = []
        for usage, result in zip(usages, results, strict=True):
            if isinstance(result, TypeError | ValueError):
                # It would fail at every attempt and hold up the others; the next change makes another event.
                log.error("usage_event_rejected", mailbox=usage.address, reason=reason_of(result))
            elif result is not None:
                continue
            done.append(usage)
        await self._memory.mark_published(done)
        for result in results:
            if result is not None and not isinstance(result, TypeError | ValueError):
                raise result

    async def _emit(self, usage: MailboxUsage) -> None:
        fact = MailboxUsageChanged(
            address=usage.address,
            used_bytes=usage.used_bytes,
            messages=usage.messages,
            version=usage.version,
            made_at=usage.made_at,
        )
        await self._bus.emit(fact.to_bus())
