"""Forwards: addresses whose mail goes to one address elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from libs.http import After, Page, PageLimit, RequestBody
from libs.http.names import Address
from libs.http.requests import example
from services.router.api.collection import Collection, address_of
from services.router.api.exchange import Creating, Editing, OfDomain, Reading, SearchText
from services.router.directory import Directory
from services.router.domain.records import AddressRecord


class ForwardTarget(RequestBody):
    """Changes of a forward."""

    model_config = example({"target": "jean@example.com"})

    target: Address = Field(description="One address outside of our domains.")


class NewForward(ForwardTarget):
    """A forward to create."""

    model_config = example({"address": "jean@example.org", "target": "jean@example.com"})

    address: Address = Field(description="Address of the forward, in a main domain.")


class ForwardView(BaseModel):
    """An address whose mail goes to one address elsewhere."""

    address: str = Field(description="Address of the forward.")
    target: str = Field(description="Address that gets its mail.")
    replications: tuple[str, ...] = Field(description="Addresses that get a copy of its mail.")
    created_at: datetime = Field(description="When it was created.")


def forward_routes(directory: Directory) -> APIRouter:
    """`/v1/forwards`."""
    router = APIRouter(prefix="/v1/forwards", tags=["forwards"])
    addresses = directory.addresses
    forwards = Collection("forwards", "forward", address_of, _view)

    @router.post("", status_code=201, summary="Create a forward")
    async def create_forward(body: NewForward, asked: Creating) -> ForwardView:
        """Creates an address whose mail goes to one address outside of the domains of the cluster."""
        entry = await directory.entry(body.address, kind="forward", targets=(await directory.external(body.target),))
        made = await addresses.create(entry, once=asked.once)
        return forwards.made(asked, made, address=made.address, target=made.targets[0])

    @router.get("", summary="List forwards")
    async def list_forwards(
        _: Reading, domain: OfDomain = None, text: SearchText = None, after: After = None, limit: PageLimit = 50
    ) -> Page[ForwardView]:
        """Forwards of one domain or of all, in the order of their addresses. `q` searches address and target."""
        place = forwards.cursor.text(after)
        found = await addresses.page("forward", domain=domain, text=text, after=place, limit=limit)
        return forwards.page(found, limit)

    @router.get("/{address:path}", summary="Get a forward")
    async def get_forward(
        address: Annotated[Address, Path(description="Address of the forward.")], asked: Reading
    ) -> ForwardView:
        """Returns one forward."""
        return forwards.shown(asked, await directory.found(address, "forward"))

    @router.patch("/{address:path}", summary="Change a forward")
    async def update_forward(
        address: Annotated[Address, Path(description="Address of the forward.")], body: ForwardTarget, asked: Editing
    ) -> ForwardView:
        """Changes the address to which the mail goes (RFC 7396)."""
        forward = await directory.found(address, "forward")
        target = await directory.external(body.target)
        edited = await addresses.edit(
            forward.address, lambda entry: entry.model_copy(update={"targets": (target,)}), match=asked.match
        )
        return forwards.changed(asked, edited, address=edited.address, target=target)

    @router.delete("/{address:path}", status_code=204, summary="Delete a forward")
    async def delete_forward(
        address: Annotated[Address, Path(description="Address of the forward.")], asked: Editing
    ) -> Response:
        """Deletes one forward."""
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
