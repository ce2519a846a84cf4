"""Work in the background: what was counted in memory goes to the database, and comes back from the other replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from libs.envelope import Temporary
from services.antispam.domain.sightings import SightingsInMemory
from services.antispam.ports import SightingStore

log = structlog.get_logger(__name__)


def repeating(name: str, work: Callable[[], Awaitable[None]], *, period: timedelta) -> Callable[[], Awaitable[None]]:
    """`work` again and again; a round that the database did not allow is logged, and the next one makes up for it."""

    async def loop() -> None:
        while True:
            await asyncio.sleep(period.total_seconds())
            try:
                await work()
            except Temporary as error:
                log.warning("round_failed", work=name, reason=error.reason)

    return loop


async def exchange_sightings(memory: SightingsInMemory, store: SightingStore, clock: Callable[[], datetime]) -> None:
    """Raises `Temporary`; the counts then wait for the next exchange."""
    counts = memory.take_unshared()
    if not counts:
        return
    try:
        memory.learn_totals(counts, await store.add(counts, clock()))
    except Temporary:
        memory.give_back(counts)
        raise
