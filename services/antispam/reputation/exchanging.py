"""What was counted in memory goes to the database, and comes back with what the other replicas counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from libs.envelope import Temporary
from services.antispam.reputation.mongo_sightings import MongoSightings
from services.antispam.reputation.sightings import SightingsInMemory


async def exchange_sightings(memory: SightingsInMemory, store: MongoSightings, clock: Callable[[], datetime]) -> None:
    """Raises `Temporary`; the counts then wait for the next exchange."""
    counts = memory.take_unshared()
    if not counts:
        return
    try:
        memory.learn_totals(counts, await store.add(counts, clock()))
    except Temporary:
        memory.give_back(counts)
        raise
