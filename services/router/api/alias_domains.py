"""Alias domains: every address of the main domain also lives in them (R-RT-01)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from libs.http import Page
from services.router.api.exchange import (
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
from services.router.domain.records import Domain
from services.router.refusals import Absent


class NewAliasDomain(Body):
    name: DomainName = Field(description="The other name.")
    domain: DomainName = Field(description="The main domain.")


class AliasDomainView(BaseModel):
    name: str
    domain: str
    created_at: datetime


def alias_domain_routes(directory: Directory, clock: Callable[[], datetime]) -> APIRouter:
    """`/v1/alias-domains`."""
    router = APIRouter(prefix="/v1/alias-domains", tags=["domains"])
    domains = directory.domains

    @router.post("", status_code=201, summary="Give a domain another name; 409 when it is in use")
    async def make(body: NewAliasDomain, actor: AsAdmin, response: Response, key: Key = None) -> AliasDomainView:
        domain = Domain(name=body.name, alias_of=body.domain, created_at=clock())
        made = await domains.create(domain, once=once(key, "POST alias-domains", body))
        actor.did("alias_domain_made", domain=body.domain, name=made.name)
        locate(response, "alias-domains", made.name)
        return _view(made, response)

    @router.get("", summary="Alias domains by name, of one domain or of all")
    async def listing(
        actor: AsAdmin,
        domain: Annotated[DomainName | None, Query(description="Of this main domain only.")] = None,
        after: After = "",
        limit: Limit = 50,
    ) -> Page[AliasDomainView]:
        found = await domains.page(aliases=True, of=domain, after=after, limit=limit)
        return Page(items=[_view(item) for item in found], next=page_of(found, limit, lambda item: item.name))

    @router.get("/{name}", summary="One alias domain")
    async def read(name: DomainName, actor: AsAdmin, response: Response) -> AliasDomainView:
        found = await domains.find(name)
        if found is None or found.alias_of is None:
            raise Absent(f"there is no alias domain {name}")
        return _view(found, response)

    @router.delete("/{name}", status_code=204, summary="Take the other name away")
    async def delete(name: DomainName, actor: AsAdmin, match: IfMatch) -> Response:
        await domains.delete(name, alias=True, match=match)
        actor.did("alias_domain_deleted", name=name)
        return Response(status_code=204)

    return router


def _view(domain: Domain, response: Response | None = None) -> AliasDomainView:
    if response is not None:
        tag(response, domain.version)
    return AliasDomainView(name=domain.name, domain=domain.alias_of or "", created_at=domain.created_at)
