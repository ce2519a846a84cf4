"""HTTP: the outbound queue, visible and manageable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, About, After, Cursor, Page, PageLimit, Problem, RequestBody, require
from libs.http.names import MailHost
from libs.http.requests import example
from services.relay.adapters.queue_views import QueueViews
from services.relay.domain.entries import Entry, State
from services.relay.queue_runner import QueueRunner

_ENTRIES = Cursor("queue")

ABOUT = About(
    description="The way out of the cluster: mail for other servers.",
    tags={
        "relay": "The outbound queue and its destinations.",
    },
)


class QueueEntryView(BaseModel):
    """One message for one recipient; times are UTC."""

    id: str = Field(description="Id of the entry, `MESSAGE_ID:RECIPIENT`.")
    message_id: str = Field(description="Id of the message in the cluster.")
    recipient: str = Field(description="Address of the recipient.")
    destination: str = Field(description="The domain in A-labels; `invalid` for an invalid address.")
    state: State = Field(description="State of the entry.")
    attempts: int = Field(description="Number of attempts.")
    created_at: datetime = Field(description="When the entry was made.")
    next_at: datetime = Field(description="When it is tried next.")
    last_reply: str = Field(
        description="Last reply of a server, or why none was heard; empty before the first attempt."
    )


class Destination(BaseModel):
    """A domain with mail that waits, or that is suspended."""

    destination: str = Field(description="Domain or address literal.")
    waiting: int = Field(description="Number of entries that wait.")
    suspended: bool = Field(description="Whether its mail is held.")


class Suspension(RequestBody):
    """Whether mail for the destination is held."""

    model_config = example({"suspended": True})

    suspended: bool = Field(description="Whether mail for the destination is held.")


def routes(views: QueueViews, queue_runner: QueueRunner, *, clock: Callable[[], datetime]) -> APIRouter:
    """The API of relay, for administrators."""
    router = APIRouter(prefix="/v1", tags=["relay"], dependencies=[Depends(require(ADMIN))])

    @router.get("/queue", summary="List the outbound queue")
    async def list_queue_entries(
        state: Annotated[State | None, Query(description="Only entries in this state.")] = None,
        destination: Annotated[MailHost | None, Query(description="Only entries for this destination.")] = None,
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[QueueEntryView]:
        """Entries of the outbound queue, oldest first. An entry is one message for one recipient; it stays for a week
        when it is done.
        """
        place = _ENTRIES.text(after) or None
        found = await views.listing(state=state, destination=destination, after=place, limit=limit)
        return Page(items=[_view(entry) for entry in found], next=_ENTRIES.behind(found, limit, lambda entry: entry.id))

    # An id ends with an address, whose local part may have any character, a slash included.
    @router.post("/queue/{id:path}/retry", summary="Retry an entry now")
    async def retry_queue_entry(id: Annotated[str, Path(description="Id of the entry.")]) -> Response:
        """Tries to deliver a waiting entry now. The answer is 404 when it does not wait."""
        destination = await views.hasten(id, now=clock())
        if destination is None:
            raise Problem(404, "no such entry waits")
        queue_runner.expect([destination])
        return Response(status_code=204)

    @router.delete("/queue/{id:path}", summary="Cancel an entry")
    async def cancel_queue_entry(id: Annotated[str, Path(description="Id of the entry.")]) -> Response:
        """Gives a waiting entry up; the sender is not told. The answer is 404 when it does not wait."""
        if not await views.cancel(id, now=clock()):
            raise Problem(404, "no such entry waits")
        return Response(status_code=204)

    @router.get("/destinations", summary="List destinations")
    async def list_destinations() -> Page[Destination]:
        """Lists destinations for which mail waits, and suspended ones."""
        return Page(items=[Destination(**found) for found in await views.destinations()], next=None)

    @router.get("/destinations/{domain}", summary="Get a destination")
    async def get_destination(
        domain: Annotated[MailHost, Path(description="Name of the destination: a domain or an address literal.")],
    ) -> Destination:
        """Returns one destination. The answer is 404 when no mail waits for it and it is not suspended."""
        found = await views.destination(domain)
        if found is None:
            raise Problem(404, "no mail waits for this destination, and it is not suspended")
        return Destination(**found)

    @router.put("/destinations/{domain}", summary="Suspend or resume a destination")
    async def replace_destination(
        domain: Annotated[MailHost, Path(description="Name of the destination: a domain or an address literal.")],
        suspension: Suspension,
    ) -> Suspension:
        """Holds all mail for a destination, also before there is any, or lets it go again."""
        if not suspension.suspended and await views.destination(domain) is None:
            raise Problem(404, "no mail waits for this destination, and it is not suspended")
        await views.suspend(domain, suspended=suspension.suspended)
        queue_runner.hold(domain, held=suspension.suspended)
        queue_runner.expect([domain])
        return suspension

    return router


def _view(entry: Entry) -> QueueEntryView:
    fields = {name: getattr(entry, name) for name in QueueEntryView.model_fields if name != "message_id"}
    return QueueEntryView(message_id=entry.message, **fields)
