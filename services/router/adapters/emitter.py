"""Brings events from the database to the bus. A process that died between a change and its event loses none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import structlog

from libs.bus import Bus, Event
from libs.envelope import Temporary
from libs.mongo import mongo_errors

log = structlog.get_logger(__name__)

_AT_A_TIME = 100


class Emitter:
    """Every replica runs one; an event that two of them emit is heard twice, which every subscriber must bear."""

    def __init__(self, database: Any, bus: Bus, period: timedelta) -> None:
        self._events = database["events"]
        self._bus = bus
        self._period = period
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to emit."""
        self._wake.set()

    async def run(self) -> None:
        """For ever: at once after a change here, and every `period` for those of a replica that died."""
        while True:
            try:
                while await self.emit_some():
                    pass
            except Temporary as error:
                log.warning("events_wait", reason=error.reason)
            try:
                async with asyncio.timeout(self._period.total_seconds()):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def emit_some(self) -> int:
        """Emit the oldest events, then delete them; returns how many. Raises `Temporary`."""
        with mongo_errors("read events"):
            waiting = await self._events.find({}).sort("_id", 1).to_list(_AT_A_TIME)
        for document in waiting:
            await self._bus.emit(Event(document["name"], document["payload"]))
        if waiting:
            with mongo_errors("delete events"):
                await self._events.delete_many({"_id": {"$in": [document["_id"] for document in waiting]}})
        return len(waiting)
