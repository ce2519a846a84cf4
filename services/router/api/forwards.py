"""Forwards: an address of ours to one address elsewhere (R-RT-04)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from libs.http import Page
from services.router.api.exchange import (
    Address,
    After,
    AsAdmin,
    Body,
    DomainName,
    IfMatch,
    Key,
    Limit,
    locate,
    once,
    page_of,
    tag,
)
from services.router.directory import Directory
from services.router.domain.records import Entry


class ForwardTarget(Body):
    target: Address = Field(description="One address outside of our domains.")


class NewForward(ForwardTarget):
    address: Address


class ForwardView(BaseModel):
    address: str
    target: str
    replications: tuple[str, ...]
    created_at: datetime


def forward_routes(directory: Directory) -> APIRouter:
    """`/v1/forwards`."""
    router = APIRouter(prefix="/v1/forwards", tags=["forwards"])
    addresses = directory.addresses

    @router.post("", status_code=201, summary="Make a forward; 409 when the address exists")
    async def make(body: NewForward, actor: AsAdmin, response: Response, key: Key = None) -> ForwardView:
        entry = await directory.entry(body.address, kind="forward", targets=(await directory.external(body.target),))
        made = await addresses.create(entry, once=once(key, "POST forwards", body))
        actor.did("forward_made", address=made.address, target=made.targets[0])
        locate(response, "forwards", made.address)
        return _view(made, response)

    @router.get("", summary="Forwards by address, of one domain or of all")
    async def listing(
        actor: AsAdmin,
        domain: Annotated[DomainName | None, Query(description="Of this domain only.")] = None,
        after: After = "",
        limit: Limit = 50,
    ) -> Page[ForwardView]:
        found = await addresses.page("forward", domain=domain, after=after, limit=limit)
        return Page(items=[_view(item) for item in found], next=page_of(found, limit, lambda item: item.address))

    @router.get("/{address:path}", summary="One forward")
    async def read(address: Address, actor: AsAdmin, response: Response) -> ForwardView:
        return _view(await directory.found(address, "forward"), response)

    @router.patch("/{address:path}", summary="Change where a forward leads; 412 when If-Match names another version")
    async def edit(
        address: Address, body: ForwardTarget, actor: AsAdmin, match: IfMatch, response: Response
    ) -> ForwardView:
        forward = await directory.found(address, "forward")
        target = await directory.external(body.target)
        edited = await addresses.edit(
            forward.address, lambda entry: entry.model_copy(update={"targets": (target,)}), match=match
        )
        actor.did("forward_changed", address=edited.address, target=target)
        return _view(edited, response)

    @router.delete("/{address:path}", status_code=204, summary="Delete a forward")
    async def delete(address: Address, actor: AsAdmin, match: IfMatch) -> Response:
        place = await directory.located(address)
        await addresses.delete(place, "forward", match=match)
        actor.did("forward_deleted", address=place)
        return Response(status_code=204)

    return router


def _view(entry: Entry, response: Response | None = None) -> ForwardView:
    if response is not None:
        tag(response, entry.version)
    return ForwardView(
        address=entry.address,
        target=entry.targets[0],
        replications=entry.replications,
        created_at=entry.created_at,
    )
