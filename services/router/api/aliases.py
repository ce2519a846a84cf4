"""Aliases and small lists: addresses that lead to others and keep nothing (R-RT-03, R-RT-07)."""

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
from services.router.refusals import AlreadyExists


class AliasTargets(RequestBody):
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
    aliases = Collection("aliases", "alias", address_of, _view)

    @router.post("", status_code=201, summary="Make an alias; 409 when the address exists")
    async def create_alias(body: NewAlias, asked: Creating) -> AliasView:
        entry = await directory.entry(body.address, kind="alias")
        targets = await directory.targets(body.targets, of=entry.address)
        alias = entry.model_copy(update={"targets": targets})
        made = await addresses.create(alias, once=asked.once)
        return aliases.made(asked, made, address=made.address, targets=made.targets)

    @router.get("", summary="Aliases by address, of one domain or of all")
    async def list_aliases(
        _: Reading, domain: OfDomain = None, after: After = None, limit: Limit = 50
    ) -> Page[AliasView]:
        return aliases.page(
            await addresses.page("alias", domain=domain, after=aliases.cursor.text(after), limit=limit), limit
        )

    @router.get("/{address:path}", summary="One alias")
    async def get_alias(address: Address, asked: Reading) -> AliasView:
        return aliases.shown(asked, await directory.found(address, "alias"))

    @router.patch("/{address:path}", summary="Change where an alias leads; 412 when If-Match names another version")
    async def update_alias(address: Address, body: AliasTargets, asked: Editing) -> AliasView:
        alias = await directory.found(address, "alias")
        if alias.owner is not None:
            raise AlreadyExists(f"{alias.address} is an address of the account {alias.owner}")
        targets = await directory.targets(body.targets, of=alias.address)
        edited = await addresses.edit(
            alias.address, lambda entry: entry.model_copy(update={"targets": targets}), match=asked.match
        )
        return aliases.changed(asked, edited, address=edited.address, targets=targets)

    @router.delete("/{address:path}", status_code=204, summary="Delete an alias; 409 when it is an official address")
    async def delete_alias(address: Address, asked: Editing) -> Response:
        alias = await directory.found(address, "alias")
        owner = await addresses.find(alias.owner) if alias.owner else None
        if owner is not None and owner.details.official_address == alias.address:
            raise AlreadyExists(f"{alias.address} is the official address of {owner.address}")
        await addresses.delete(alias.address, "alias", match=asked.match)
        return aliases.deleted(asked, address=alias.address)

    return router


def _view(entry: AddressRecord) -> AliasView:
    return AliasView.model_validate(entry.model_dump())
