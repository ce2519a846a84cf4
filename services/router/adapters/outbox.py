"""Brings events from the database to the bus. A process that died between a change and its event loses none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import structlog

from libs.bus import Bus, Event
from libs.mongo import mongo_errors
from libs.runtime import Periodic
from libs.runtime.periodic import reason_of

log = structlog.get_logger(__name__)

_AT_A_TIME = 100


class EventOutbox:
    """Every replica runs one; an event that two of them emit is heard twice, which every subscriber must bear."""

    def __init__(self, database: Any, bus: Bus, period: timedelta) -> None:
        self._events = database["events"]
        self._bus = bus
        self._period = period
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to emit."""
        self._wake.set()

    @property
    def row(self) -> Periodic:
        """The background job: it runs at once after a change here, and each `period` for changes of a dead replica."""
        return Periodic("events", self.round, self._period, self._wake)

    async def round(self) -> None:
        """Emit all that waits. Raises `Temporary`."""
        while await self.emit_some():
            pass

    async def emit_some(self) -> int:
        """Emit the oldest events, then delete them; returns how many. Raises `Temporary`.

        One that cannot be emitted at all is set aside with its reason, for it would hold up all that come after it.
        """
        with mongo_errors("read events"):
            waiting = await self._events.find({"set_aside": None}).sort("_id", 1).to_list(_AT_A_TIME)
        emitted = []
        for document in waiting:
            try:
                await self._bus.emit(Event(document["name"], document["payload"]))
            except (LookupError, TypeError, ValueError) as error:
                await self._set_aside(document, error)
            else:
                emitted.append(document["_id"])
        if emitted:
            with mongo_errors("delete events"):
                await self._events.delete_many({"_id": {"$in": emitted}})
        return len(waiting)

    async def _set_aside(self, document: dict[str, Any], error: Exception) -> None:
        log.error("event_set_aside", event_id=document["_id"], name=document.get("name"), exc_info=error)
        with mongo_errors("set aside event"):
            await self._events.update_one({"_id": document["_id"]}, {"$set": {"set_aside": reason_of(error)}})
