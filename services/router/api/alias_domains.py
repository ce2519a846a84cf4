"""Alias domains: each address of the main domain exists in them as well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from libs.http import After, Page, PageLimit, RequestBody, birth_mark
from libs.http.names import DomainName
from libs.http.requests import example
from services.router.api.collection import Collection, name_of
from services.router.api.exchange import Creating, Editing, Reading
from services.router.directory import Directory
from services.router.domain.records import Domain
from services.router.refusals import NotFound


class NewAliasDomain(RequestBody):
    """An alias domain to create."""

    model_config = example({"name": "example.net", "domain": "example.org"})

    name: DomainName = Field(description="The other name.")
    domain: DomainName = Field(description="The main domain.")


class AliasDomainView(BaseModel):
    """Another name of a main domain."""

    name: str = Field(description="Name of the alias domain.")
    domain: str = Field(description="Its main domain.")
    created_at: datetime = Field(description="When it was created.")


def alias_domain_routes(directory: Directory, clock: Callable[[], datetime]) -> APIRouter:
    """`/v1/alias-domains`."""
    router = APIRouter(prefix="/v1/alias-domains", tags=["domains"])
    domains = directory.domains
    alias_domains = Collection("alias-domains", "alias_domain", name_of, _view)

    @router.post("", status_code=201, summary="Create an alias domain")
    async def create_alias_domain(body: NewAliasDomain, asked: Creating) -> AliasDomainView:
        """Gives a main domain another name: each address of the main domain exists in it as well."""
        domain = Domain(name=body.name, alias_of=body.domain, birth=birth_mark(), created_at=clock())
        made = await domains.create(domain, once=asked.once)
        return alias_domains.made(asked, made, domain=body.domain, name=made.name)

    @router.get("", summary="List alias domains")
    async def list_alias_domains(
        _: Reading,
        domain: Annotated[DomainName | None, Query(description="Of this main domain only.")] = None,
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[AliasDomainView]:
        """Alias domains of one main domain or of all, in the order of their names."""
        return alias_domains.page(
            await domains.page(aliases=True, of=domain, after=alias_domains.cursor.text(after), limit=limit), limit
        )

    @router.get("/{name}", summary="Get an alias domain")
    async def get_alias_domain(
        name: Annotated[DomainName, Path(description="Name of the alias domain.")], asked: Reading
    ) -> AliasDomainView:
        """Returns one alias domain."""
        found = await domains.find(name)
        if found is None or found.alias_of is None:
            raise NotFound(f"there is no alias domain {name}")
        return alias_domains.shown(asked, found)

    @router.delete("/{name}", status_code=204, summary="Delete an alias domain")
    async def delete_alias_domain(
        name: Annotated[DomainName, Path(description="Name of the alias domain.")], asked: Editing
    ) -> Response:
        """Takes the other name of the main domain away."""
        await domains.delete(name, alias=True, match=asked.match)
        return alias_domains.deleted(asked, name=name)

    return router


def _view(domain: Domain) -> AliasDomainView:
    return AliasDomainView(name=domain.name, domain=domain.alias_of or "", created_at=domain.created_at)
