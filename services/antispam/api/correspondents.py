"""`/v1/automatic-whitelist`: senders that count as known in a domain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, RequestBody, require
from libs.http.requests import example
from libs.http.resources import created
from libs.mail.address import InvalidAddress, normalise
from services.antispam.api.scopes import scope_of
from services.antispam.reputation.automatic_whitelist import AutomaticWhitelist
from services.antispam.reputation.correspondents import CorrespondentKey
from services.antispam.reputation.mongo_correspondents import MongoCorrespondents, WhitelistEntry

_PAGES = Cursor("correspondents")


class NewKnownSender(RequestBody):
    """A sender that proved to be a person."""

    model_config = example({"address": "marie@example.net"})

    address: str = Field(max_length=320, description="Address of the sender.")


class KnownSenderView(BaseModel):
    """A sender that is on the automatic whitelist of a domain."""

    address: str = Field(description="Address of the sender.")
    validated: bool = Field(description="Whether the sender solved the challenge of the validation page.")
    messages: int = Field(description="Number of messages that users wrote to it.")
    first_at: datetime = Field(description="Time of the first message.")
    last_at: datetime = Field(description="Time of the last message.")
    expires_at: datetime = Field(description="When the sender is forgotten, unless there is another message before.")


def correspondent_routes(
    correspondents: AutomaticWhitelist, store: MongoCorrespondents, clock: Callable[[], datetime]
) -> APIRouter:
    """`/v1/automatic-whitelist`; recipients of local users are added without a request."""
    router = APIRouter(
        prefix="/v1/automatic-whitelist/{domain}",
        tags=["automatic whitelist"],
        dependencies=[Depends(require(ADMIN))],
    )

    @router.get("", summary="List known senders")
    async def list_known_senders(
        domain: Annotated[str, Path(description="Main domain in which the senders are known.")],
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[KnownSenderView]:
        """Senders that count as known in a domain, in the order of their addresses."""
        found = await store.page(scope_of(domain), clock(), after=_PAGES.text(after), limit=limit)
        return Page(items=[_view(item) for item in found], next=_PAGES.behind(found, limit, lambda item: item.address))

    @router.post(
        "",
        status_code=201,
        summary="Add a known sender",
        responses={200: {"description": "The sender was known already; now it is validated."}},
    )
    async def create_known_sender(
        domain: Annotated[str, Path(description="Main domain in which the senders are known.")],
        new: NewKnownSender,
        response: Response,
    ) -> KnownSenderView:
        """Records that a sender proved to be a person. The answer is 422 for addresses of the domain itself."""
        known = CorrespondentKey(scope_of(domain), _address(new.address))
        before = await store.entry(known, clock())
        if not await correspondents.record(known.domain, [known.address], validated=True):
            raise Problem(422, "an address of the domain itself is never whitelisted automatically")
        entry = await store.entry(known, clock())
        if entry is None:
            raise Problem(404, "the sender was deleted at the same time")
        created(response, f"/v1/automatic-whitelist/{known.domain}", known.address, is_new=before is None)
        return _view(entry)

    @router.delete("/{address:path}", status_code=204, summary="Delete a known sender")
    async def delete_known_sender(
        domain: Annotated[str, Path(description="Main domain in which the senders are known.")],
        address: Annotated[str, Path(description="Address of the sender.")],
    ) -> Response:
        """Makes a sender unknown again."""
        known = CorrespondentKey(scope_of(domain), _address(address))
        if not await store.delete(known):
            raise Problem(404, "there is no such sender")
        await correspondents.changed(known.domain, [known.address])
        return Response(status_code=204)

    return router


def _address(text: str) -> str:
    try:
        return normalise(text).lower()
    except InvalidAddress as error:
        raise Problem(422, f"{text[:100]!r} is no address: {error}") from None


def _view(listed: WhitelistEntry) -> KnownSenderView:
    known = listed.correspondent
    return KnownSenderView(
        address=listed.address,
        validated=known.validated,
        messages=known.times,
        first_at=listed.since,
        last_at=listed.last_at,
        expires_at=listed.until,
    )
