"""`/v1/honeypots`: hidden addresses; peers that send to them are refused for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, RequestBody, require
from libs.http.parameters import to_milliseconds
from libs.http.requests import example
from libs.http.resources import created
from services.antispam.api.scopes import address_of, scope_of
from services.antispam.reputation.mongo_honeypots import Honeypot, MongoHoneypots

_PAGES = Cursor("honeypots")


class NewHoneypot(RequestBody):
    """An unused and unpublished address in a main domain."""

    model_config = example({"address": "trap@example.org", "comment": "hidden on the contact page"})

    address: str = Field(max_length=320, description="An address of a main domain that is nowhere in use.")
    comment: str = Field("", max_length=500, description="Where it was laid out, for instance.")


class HoneypotView(BaseModel):
    """`hits` counts the messages that came to it."""

    address: str = Field(description="The address.")
    domain: str = Field(description="Its domain.")
    comment: str = Field(description="Note for people.")
    created_at: datetime = Field(description="When it was added.")
    hits: int = Field(description="Number of messages that came to it.")
    last_hit_at: datetime | None = Field(description="When the last one came; null for never.")


def honeypot_routes(
    honeypots: MongoHoneypots, changed: Callable[[str], Awaitable[None]], clock: Callable[[], datetime]
) -> APIRouter:
    """`changed(scope)` tells ingress and all replicas."""
    router = APIRouter(prefix="/v1/honeypots", tags=["honeypots"], dependencies=[Depends(require(ADMIN))])

    @router.get("", summary="List honeypots")
    async def list_honeypots(
        domain: Annotated[str, Query(description="Domain of the honeypots.")],
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[HoneypotView]:
        """Honeypots of a domain, in the order of their addresses."""
        found = await honeypots.page(scope_of(domain), after=_PAGES.text(after), limit=limit)
        return Page(items=[_view(item) for item in found], next=_PAGES.behind(found, limit, lambda item: item.address))

    @router.post("", status_code=201, summary="Add a honeypot")
    async def create_honeypot(new: NewHoneypot, response: Response) -> HoneypotView:
        """Makes an address a honeypot: it gets no mail, and peers that send to it are refused for a while. The answer
        is 200 when it is one already.
        """
        address = address_of(new.address)
        domain = address.rpartition("@")[2]
        now = to_milliseconds(clock())
        made = await honeypots.add(Honeypot(address, domain, new.comment, now))
        created(response, "/v1/honeypots", address, is_new=made.created_at == now)
        await changed(domain)
        return _view(made)

    @router.delete("/{address:path}", status_code=204, summary="Delete a honeypot")
    async def delete_honeypot(address: Annotated[str, Path(description="Address of the honeypot.")]) -> Response:
        """Deletes a honeypot; the address is an ordinary one again."""
        gone = await honeypots.delete(address_of(address))
        if gone is None:
            raise Problem(404, "there is no such honeypot")
        await changed(gone.domain)
        return Response(status_code=204)

    return router


def _view(honeypot: Honeypot) -> HoneypotView:
    return HoneypotView(
        address=honeypot.address,
        domain=honeypot.domain,
        comment=honeypot.comment,
        created_at=honeypot.created_at,
        hits=honeypot.hits,
        last_hit_at=honeypot.last_hit_at,
    )
