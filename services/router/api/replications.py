"""Replications: the mail of an address is copied to another one."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from libs.http import After, Cursor, Page, PageLimit, RequestBody
from libs.http.names import Address
from libs.http.requests import example
from services.router.api.collection import address_of
from services.router.api.exchange import Creating, Reading
from services.router.directory import Directory
from services.router.domain.records import AddressRecord
from services.router.refusals import AlreadyExists, NotFound, Unprocessable


class NewReplication(RequestBody):
    """A replication to create."""

    model_config = example({"address": "jean@example.org", "target": "archive@example.com"})

    address: Address = Field(description="An existing account, alias or forward.")
    target: Address = Field(description="Address that gets a copy of all of its mail, local or remote.")


class ReplicationView(BaseModel):
    """An address whose mail is copied to another one."""

    address: str = Field(description="The replicated address.")
    target: str = Field(description="The address that gets the copies.")


def replication_routes(directory: Directory, *, max_replications: int) -> APIRouter:
    """`/v1/replications`; one is named by its two addresses."""
    router = APIRouter(prefix="/v1/replications", tags=["replications"])
    addresses = directory.addresses
    cursor = Cursor("replications")

    @router.post("", status_code=201, summary="Create a replication")
    async def create_replication(body: NewReplication, asked: Creating) -> ReplicationView:
        """Sends a copy of all mail of an address to another one."""
        place = await directory.located(body.address)
        (target,) = await directory.targets([body.target], of=place)

        def replicate(entry: AddressRecord) -> AddressRecord:
            if target in entry.replications:
                raise AlreadyExists(f"{place} is replicated to {target} already")
            if len(entry.replications) >= max_replications:
                raise Unprocessable(f"an address has at most {max_replications} replications")
            return entry.model_copy(update={"replications": (*entry.replications, target)})

        await addresses.edit(place, replicate, once=asked.once, remains=lambda now: target in now.replications)
        asked.did("replication_made", address=place, target=target)
        query = urlencode({"address": place, "target": target}, safe="@")
        asked.response.headers["Location"] = f"/v1/replications?{query}"
        return ReplicationView(address=place, target=target)

    @router.get("", summary="List replications")
    async def list_replications(
        _: Reading,
        address: Annotated[Address | None, Query(description="Of this address only.")] = None,
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[ReplicationView]:
        """Replications of one address or of all. A page holds the replications of at most `limit` addresses."""
        if address is not None:
            one = await addresses.find(await directory.located(address))
            return Page(items=_views(one) if one else [], next=None)
        found = await addresses.replicated(after=cursor.text(after), limit=limit)
        items = [view for entry in found for view in _views(entry)]
        return Page(items=items, next=cursor.behind(found, limit, address_of))

    @router.delete("", status_code=204, summary="Delete a replication")
    async def delete_replication(
        address: Annotated[Address, Query(description="The replicated address.")],
        target: Annotated[Address, Query(description="The address that gets the copies.")],
        asked: Reading,
    ) -> Response:
        """Ends the replication of one address to another."""
        place, gone = await directory.located(address), await directory.located(target)

        def end(entry: AddressRecord) -> AddressRecord:
            if gone not in entry.replications:
                raise NotFound(f"{place} is not replicated to {gone}")
            return entry.model_copy(update={"replications": tuple(t for t in entry.replications if t != gone)})

        await addresses.edit(place, end)
        asked.did("replication_deleted", address=place, target=gone)
        return Response(status_code=204)

    return router


def _views(entry: AddressRecord) -> list[ReplicationView]:
    return [ReplicationView(address=entry.address, target=target) for target in entry.replications]
