"""Aliases and small lists: addresses that lead to others and keep nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from libs.http import After, Page, PageLimit, RequestBody
from libs.http.idempotency import Keys
from libs.http.names import Address
from libs.http.openapi import CONFLICT
from libs.http.requests import example
from services.router.api.batches import EACH_ALONE, MAX_ITEMS, BatchCreation, BatchResult, BatchResults, batch_answers
from services.router.api.collection import Collection, address_of
from services.router.api.exchange import Creating, Creation, Editing, OfDomain, Reading, SearchText
from services.router.directory import Directory
from services.router.domain.records import AddressRecord
from services.router.refusals import AlreadyExists


class AliasTargets(RequestBody):
    """Changes of an alias."""

    model_config = example({"targets": ["jean@example.org"]})

    targets: list[Address] = Field(description="Addresses that get its mail, local or remote; at least one.")


class NewAlias(AliasTargets):
    """An alias to create."""

    model_config = example({"address": "team@example.org", "targets": ["jean@example.org", "marie@example.org"]})

    address: Address = Field(description="Address of the alias, in a main domain.")


class NewAliases(RequestBody):
    """Aliases to create."""

    model_config = example(
        {
            "items": [
                {"address": "team@example.org", "targets": ["jean@example.org", "marie@example.org"]},
                {"address": "sales@example.org", "targets": ["marie@example.org"]},
            ]
        }
    )

    items: list[Annotated[NewAlias, EACH_ALONE]] = Field(
        min_length=1, max_length=MAX_ITEMS, description="Each as the body of a single creation."
    )


class AliasView(BaseModel):
    """`owner` is the account whose other address this is, else null."""

    address: str = Field(description="Address of the alias.")
    targets: tuple[str, ...] = Field(description="Addresses that get its mail.")
    replications: tuple[str, ...] = Field(description="Addresses that get a copy of its mail.")
    owner: str | None = Field(description="Account to which the alias belongs as another address; null for none.")
    created_at: datetime = Field(description="When it was created.")


_EXAMPLE = {
    "address": "team@example.org",
    "targets": ["jean@example.org", "marie@example.org"],
    "replications": [],
    "owner": None,
    "created_at": "2026-11-02T08:00:00Z",
}


def alias_routes(directory: Directory, keys: Keys) -> APIRouter:
    """`/v1/aliases`."""
    batch = BatchCreation(keys, BatchResult[AliasView], BatchResults[AliasView])
    router = APIRouter(prefix="/v1/aliases", tags=["aliases"])
    addresses = directory.addresses
    aliases = Collection("aliases", "alias", address_of, _view)

    async def create(body: NewAlias, asked: Creation) -> AliasView:
        entry = await directory.entry(body.address, kind="alias")
        targets = await directory.targets(body.targets, of=entry.address)
        made = await addresses.create(entry.model_copy(update={"targets": targets}), once=asked.once)
        return aliases.made(asked, made, address=made.address, targets=made.targets)

    @router.post("", status_code=201, summary="Create an alias")
    async def create_alias(body: NewAlias, asked: Creating) -> AliasView:
        """Creates an address whose mail goes to one or several others."""
        return await create(body, asked)

    @router.post(
        "/batch",
        summary="Create several aliases",
        responses=batch_answers(_EXAMPLE, "aliases"),
        response_model_exclude_unset=True,
    )
    async def create_aliases(body: NewAliases, asked: Creating) -> BatchResults[AliasView]:
        """Creates up to 200 aliases, one after the other. Each item has a result: the alias, or the problem that
        its single creation would have. An item that fails does not stop the others. The same request with the same
        Idempotency-Key answers what was created, and tries again what was not.
        """
        return await batch.create(body.items, asked, create)

    @router.get("", summary="List aliases")
    async def list_aliases(
        _: Reading, domain: OfDomain = None, text: SearchText = None, after: After = None, limit: PageLimit = 50
    ) -> Page[AliasView]:
        """Aliases of one domain or of all, in the order of their addresses. `q` searches address and targets."""
        place = aliases.cursor.text(after)
        found = await addresses.page("alias", domain=domain, text=text, after=place, limit=limit)
        return aliases.page(found, limit)

    @router.get("/{address:path}", summary="Get an alias")
    async def get_alias(
        address: Annotated[Address, Path(description="Address of the alias.")], asked: Reading
    ) -> AliasView:
        """Returns one alias."""
        return aliases.shown(asked, await directory.found(address, "alias"))

    @router.patch("/{address:path}", summary="Change an alias", responses=CONFLICT)
    async def update_alias(
        address: Annotated[Address, Path(description="Address of the alias.")], body: AliasTargets, asked: Editing
    ) -> AliasView:
        """Changes the given fields (RFC 7396)."""
        alias = await directory.found(address, "alias")
        if alias.owner is not None:
            raise AlreadyExists(f"{alias.address} is an address of the account {alias.owner}")
        targets = await directory.targets(body.targets, of=alias.address)
        edited = await addresses.edit(
            alias.address, lambda entry: entry.model_copy(update={"targets": targets}), match=asked.match
        )
        return aliases.changed(asked, edited, address=edited.address, targets=targets)

    @router.delete("/{address:path}", status_code=204, summary="Delete an alias", responses=CONFLICT)
    async def delete_alias(
        address: Annotated[Address, Path(description="Address of the alias.")], asked: Editing
    ) -> Response:
        """Deletes one alias."""
        alias = await directory.found(address, "alias")
        owner = await addresses.find(alias.owner) if alias.owner else None
        if owner is not None and owner.details.official_address == alias.address:
            raise AlreadyExists(f"{alias.address} is the official address of {owner.address}")
        await addresses.delete(alias.address, "alias", match=asked.match)
        return aliases.deleted(asked, address=alias.address)

    return router


def _view(entry: AddressRecord) -> AliasView:
    return AliasView.model_validate(entry.model_dump())
