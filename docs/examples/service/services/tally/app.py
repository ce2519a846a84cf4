"""Composition root: alone names the adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.runtime import Service, Shared
from libs.telemetry import Metrics
from services.tally import settings
from services.tally.adapters.memory import MemoryTallies
from services.tally.api import tally_routes
from services.tally.handlers import TallyHandler, event_handlers

NAME = "tally"
Settings = settings.Settings


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Needs no neighbour. A database would be opened here, and its failure policy stand beside it."""
    store = MemoryTallies(settings.max_domains)
    yield Service(
        name=NAME,
        settings=settings,
        metrics=Metrics(),
        routers=(tally_routes(store),),
        event_handlers=event_handlers(TallyHandler(store)),
    )
