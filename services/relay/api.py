"""HTTP: the outbound queue, visible and manageable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, After, Cursor, Page, Problem, RequestBody, require
from libs.http.names import MailHost
from services.relay.adapters.queue_views import QueueViews
from services.relay.courier import Courier
from services.relay.domain.entries import Entry, State

_ENTRIES = Cursor("queue")


class QueueEntryView(BaseModel):
    """One message for one recipient; times are UTC."""

    id: str
    message: str
    recipient: str
    destination: str = Field(description="The domain in A-labels; the top-level name invalid for what is no address.")
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


class Suspension(RequestBody):
    """Whether mail for the destination is held."""

    suspended: bool


def routes(views: QueueViews, courier: Courier, *, clock: Callable[[], datetime]) -> APIRouter:
    """The API of relay, for administrators."""
    router = APIRouter(prefix="/v1", tags=["relay"], dependencies=[Depends(require(ADMIN))])

    @router.get("/queue", summary="Entries of the outbound queue, oldest first; done ones stay for a week")
    async def list_queue_entries(
        state: State | None = None,
        destination: MailHost | None = None,
        after: After = None,
        limit: int = Query(50, ge=1, le=200),
    ) -> Page[QueueEntryView]:
        place = _ENTRIES.text(after) or None
        found = await views.listing(state=state, destination=destination, after=place, limit=limit)
        return Page(items=[_view(entry) for entry in found], next=_ENTRIES.behind(found, limit, lambda entry: entry.id))

    # An id ends with an address, whose local part may have any character, a slash included.
    @router.post("/queue/{id:path}/retry", summary="Try an entry now; 404 when it does not wait")
    async def retry_queue_entry(id: str) -> Response:
        destination = await views.hasten(id, now=clock())
        if destination is None:
            raise Problem(404, "no such entry waits")
        courier.expect([destination])
        return Response(status_code=204)

    @router.delete("/queue/{id:path}", summary="Never try an entry again and tell nobody; 404 when it does not wait")
    async def cancel_queue_entry(id: str) -> Response:
        if not await views.cancel(id, now=clock()):
            raise Problem(404, "no such entry waits")
        return Response(status_code=204)

    @router.get("/destinations", summary="Destinations with mail that waits, and suspended ones")
    async def list_destinations() -> Page[Destination]:
        return Page(items=[Destination(**found) for found in await views.destinations()], next=None)

    @router.get("/destinations/{domain}", summary="One destination; 404 when no mail waits for it and none is held")
    async def get_destination(domain: MailHost) -> Destination:
        found = await views.destination(domain)
        if found is None:
            raise Problem(404, "no mail waits for this destination, and it is not suspended")
        return Destination(**found)

    @router.put(
        "/destinations/{domain}", summary="Hold all mail for a destination, also before there is any; or let go"
    )
    async def replace_destination(domain: MailHost, suspension: Suspension) -> Suspension:
        if not suspension.suspended and await views.destination(domain) is None:
            raise Problem(404, "no mail waits for this destination, and it is not suspended")
        await views.suspend(domain, suspended=suspension.suspended)
        courier.hold(domain, held=suspension.suspended)
        courier.expect([domain])
        return suspension

    return router


def _view(entry: Entry) -> QueueEntryView:
    return QueueEntryView(**{name: getattr(entry, name) for name in QueueEntryView.model_fields})
