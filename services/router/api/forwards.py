"""Forwards: an address of ours to one address elsewhere (R-RT-04)."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from libs.http import After, Page, RequestBody
from libs.http.names import Address
from services.router.api.collection import Collection, address_of
from services.router.api.exchange import Creating, Editing, Limit, OfDomain, Reading
from services.router.directory import Directory
from services.router.domain.records import AddressRecord


class ForwardTarget(RequestBody):
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
    forwards = Collection("forwards", "forward", address_of, _view)

    @router.post("", status_code=201, summary="Make a forward; 409 when the address exists")
    async def create_forward(body: NewForward, asked: Creating) -> ForwardView:
        entry = await directory.entry(body.address, kind="forward", targets=(await directory.external(body.target),))
        made = await addresses.create(entry, once=asked.once)
        return forwards.made(asked, made, address=made.address, target=made.targets[0])

    @router.get("", summary="Forwards by address, of one domain or of all")
    async def list_forwards(
        _: Reading, domain: OfDomain = None, after: After = None, limit: Limit = 50
    ) -> Page[ForwardView]:
        return forwards.page(
            await addresses.page("forward", domain=domain, after=forwards.cursor.text(after), limit=limit), limit
        )

    @router.get("/{address:path}", summary="One forward")
    async def get_forward(address: Address, asked: Reading) -> ForwardView:
        return forwards.shown(asked, await directory.found(address, "forward"))

    @router.patch("/{address:path}", summary="Change where a forward leads; 412 when If-Match names another version")
    async def update_forward(address: Address, body: ForwardTarget, asked: Editing) -> ForwardView:
        forward = await directory.found(address, "forward")
        target = await directory.external(body.target)
        edited = await addresses.edit(
            forward.address, lambda entry: entry.model_copy(update={"targets": (target,)}), match=asked.match
        )
        return forwards.changed(asked, edited, address=edited.address, target=target)

    @router.delete("/{address:path}", status_code=204, summary="Delete a forward")
    async def delete_forward(address: Address, asked: Editing) -> Response:
        place = await directory.located(address)
        await addresses.delete(place, "forward", match=asked.match)
        return forwards.deleted(asked, address=place)

    return router


def _view(entry: AddressRecord) -> ForwardView:
    return ForwardView(
        address=entry.address,
        target=entry.targets[0],
        replications=entry.replications,
        created_at=entry.created_at,
    )
