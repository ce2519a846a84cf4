"""Aliases and small lists: addresses that lead to others and keep nothing (R-RT-03, R-RT-07)."""

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
from services.router.refusals import Taken


class AliasTargets(Body):
    targets: list[Address] = Field(description="Where it leads: addresses of ours or elsewhere, at least one.")


class NewAlias(AliasTargets):
    address: Address


class AliasView(BaseModel):
    """`owner` is the account whose other address this is, else null."""

    address: str
    targets: tuple[str, ...]
    replications: tuple[str, ...]
    owner: str | None
    created_at: datetime


def alias_routes(directory: Directory) -> APIRouter:
    """`/v1/aliases`."""
    router = APIRouter(prefix="/v1/aliases", tags=["aliases"])
    addresses = directory.addresses

    @router.post("", status_code=201, summary="Make an alias; 409 when the address exists")
    async def make(body: NewAlias, actor: AsAdmin, response: Response, key: Key = None) -> AliasView:
        entry = await directory.entry(body.address, kind="alias")
        targets = await directory.targets(body.targets, of=entry.address)
        made = await addresses.create(
            entry.model_copy(update={"targets": targets}), once=once(key, "POST aliases", body)
        )
        actor.did("alias_made", address=made.address, targets=made.targets)
        locate(response, "aliases", made.address)
        return _view(made, response)

    @router.get("", summary="Aliases by address, of one domain or of all")
    async def listing(
        actor: AsAdmin,
        domain: Annotated[DomainName | None, Query(description="Of this domain only.")] = None,
        after: After = "",
        limit: Limit = 50,
    ) -> Page[AliasView]:
        found = await addresses.page("alias", domain=domain, after=after, limit=limit)
        return Page(items=[_view(item) for item in found], next=page_of(found, limit, lambda item: item.address))

    @router.get("/{address:path}", summary="One alias")
    async def read(address: Address, actor: AsAdmin, response: Response) -> AliasView:
        return _view(await directory.found(address, "alias"), response)

    @router.patch("/{address:path}", summary="Change where an alias leads; 412 when If-Match names another version")
    async def edit(
        address: Address, body: AliasTargets, actor: AsAdmin, match: IfMatch, response: Response
    ) -> AliasView:
        alias = await directory.found(address, "alias")
        if alias.owner is not None:
            raise Taken(f"{alias.address} is an address of the account {alias.owner}")
        targets = await directory.targets(body.targets, of=alias.address)
        edited = await addresses.edit(
            alias.address, lambda entry: entry.model_copy(update={"targets": targets}), match=match
        )
        actor.did("alias_changed", address=edited.address, targets=targets)
        return _view(edited, response)

    @router.delete("/{address:path}", status_code=204, summary="Delete an alias; 409 when it is an official address")
    async def delete(address: Address, actor: AsAdmin, match: IfMatch) -> Response:
        alias = await directory.found(address, "alias")
        owner = await addresses.find(alias.owner) if alias.owner else None
        if owner is not None and owner.details.official_address == alias.address:
            raise Taken(f"{alias.address} is the official address of {owner.address}")
        await addresses.delete(alias.address, "alias", match=match)
        actor.did("alias_deleted", address=alias.address)
        return Response(status_code=204)

    return router


def _view(entry: Entry, response: Response | None = None) -> AliasView:
    if response is not None:
        tag(response, entry.version)
    return AliasView.model_validate(entry.model_dump())
