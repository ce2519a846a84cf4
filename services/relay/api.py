"""HTTP: the outbound queue, visible and manageable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from libs.http import ADMIN, Page, Problem, require
from services.relay.adapters.queue import MongoQueue
from services.relay.courier import Courier
from services.relay.domain.entries import Entry, State


class EntryView(BaseModel):
    """One message for one recipient; times are UTC."""

    id: str
    message: str
    recipient: str
    destination: str
    state: State
    attempts: int
    created_at: datetime
    next_at: datetime
    last_reply: str


class Destination(BaseModel):
    """A domain with mail that waits, or that is suspended."""

    destination: str
    waiting: int
    suspended: bool


class Suspension(BaseModel):
    """Whether mail for the destination is held."""

    suspended: bool


def routes(queue: MongoQueue, courier: Courier, *, clock: Callable[[], datetime]) -> APIRouter:
    """The API of relay, for administrators."""
    router = APIRouter(prefix="/v1", tags=["relay"], dependencies=[Depends(require(ADMIN))])

    @router.get("/queue", summary="Entries of the outbound queue, oldest first; done ones stay for a week")
    async def listing(
        state: State | None = None,
        destination: str | None = None,
        after: str | None = None,
        limit: int = Query(50, ge=1, le=200),
    ) -> Page[EntryView]:
        found = await queue.listing(state=state, destination=destination, after=after, limit=limit)
        return Page(items=[_view(entry) for entry in found], next=found[-1].id if len(found) == limit else None)

    @router.post("/queue/{id}/retry", summary="Try an entry now; 404 when it does not wait")
    async def retry(id: str) -> Response:
        if not await queue.hasten(id, now=clock()):
            raise Problem(404, "no such entry waits")
        courier.wake()
        return Response(status_code=204)

    @router.delete("/queue/{id}", summary="Never try an entry again and tell nobody; 404 when it does not wait")
    async def cancel(id: str) -> Response:
        if not await queue.cancel(id, now=clock()):
            raise Problem(404, "no such entry waits")
        return Response(status_code=204)

    @router.get("/destinations", summary="Destinations with mail that waits, and suspended ones")
    async def destinations() -> Page[Destination]:
        return Page(items=[Destination(**found) for found in await queue.destinations()], next=None)

    @router.put("/destinations/{domain}", summary="Hold all mail for a destination, or let it go")
    async def suspend(domain: str, suspension: Suspension) -> Suspension:
        await queue.suspend(domain.lower(), suspended=suspension.suspended)
        courier.wake()
        return suspension

    return router


def _view(entry: Entry) -> EntryView:
    return EntryView(**{name: getattr(entry, name) for name in EntryView.model_fields})
