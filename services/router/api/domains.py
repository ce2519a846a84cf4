"""Domains and their other names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from libs.http import After, Page, PageLimit, RequestBody, birth_mark
from libs.http.names import Address, DomainName
from libs.http.openapi import CONFLICT
from libs.http.requests import example
from services.router.api.collection import Collection, name_of
from services.router.api.exchange import Creating, Editing, Reading, SearchText
from services.router.directory import Directory
from services.router.domain.names import PREFIX
from services.router.domain.records import Domain
from services.router.refusals import NotFound, Unprocessable


class DomainChanges(RequestBody):
    """Changes of a domain; a field that is absent stays as it is, and null unsets it."""

    model_config = example({"max_accounts": 200, "catch_all": None})

    max_accounts: int | None = Field(None, ge=0, description="Most accounts; null: no limit.")
    default_quota_bytes: int | None = Field(
        None, ge=0, description="Of accounts without one; null: by profile. Handed on to quota."
    )
    max_message_bytes: int | None = Field(None, ge=1, description="Largest message to it; null: as for all.")
    account_prefix: str | None = Field(None, description="`exemple` names accounts exemple0001, exemple0002 ...")
    catch_all: Address | None = Field(None, description="Gets mail for addresses that do not exist.")
    postmaster: Address | None = Field(None, description="Gets mail for postmaster@ and abuse@.")
    junk_keep_days: int | None = Field(
        None, ge=1, le=3650, description="Days after which mail in Junk is deleted; null: never."
    )


class NewDomain(DomainChanges):
    """A domain to create."""

    model_config = example({"name": "example.org", "max_accounts": 100})

    name: DomainName = Field(description="Name of the domain; non-ASCII names are kept in A-labels.")


class DomainView(BaseModel):
    """A domain. The limit of its accounts is told by quota."""

    name: str = Field(description="Name of the domain, in A-labels.")
    max_accounts: int | None = Field(description="Most accounts; null: no limit.")
    max_message_bytes: int | None = Field(
        description="Size of the largest message to the domain; null: the general limit."
    )
    account_prefix: str | None = Field(description="Prefix of numbered accounts; null for none.")
    catch_all: str | None = Field(
        description="Address that gets the mail for addresses that do not exist; null for none."
    )
    postmaster: str | None = Field(description="Address that gets the mail for postmaster@ and abuse@; null for none.")
    junk_keep_days: int | None = Field(description="Days after which mail in Junk is deleted; null: never.")
    created_at: datetime = Field(description="When it was created.")


class DomainCounts(BaseModel):
    """Counts that change without a change of the domain: accounts, and all addresses including theirs."""

    accounts: int = Field(description="Number of accounts.")
    addresses: int = Field(description="Number of all addresses, those of accounts among them.")


class DomainWithCounts(DomainView, DomainCounts):
    """A domain in a list."""


def domain_routes(directory: Directory, clock: Callable[[], datetime]) -> APIRouter:
    """`/v1/domains`."""
    router = APIRouter(prefix="/v1/domains", tags=["domains"])
    domains = directory.domains
    main_domains = Collection("domains", "domain", name_of, _view)

    async def main_domain(name: str) -> Domain:
        found = await domains.find(name)
        if found is None or found.alias_of is not None:
            raise NotFound(f"there is no domain {name}")
        return found

    @router.post("", status_code=201, summary="Create a domain")
    async def create_domain(body: NewDomain, asked: Creating) -> DomainView:
        """Creates a main domain: a domain with accounts and aliases of its own."""
        fields = await _checked(directory, body)
        now = clock()
        domain = Domain(birth=birth_mark(), created_at=now, quota_at=now, **fields)
        made = await domains.create(domain, once=asked.once)
        return main_domains.made(asked, made, domain=made.name)

    @router.get("", summary="List domains")
    async def list_domains(
        _: Reading, text: SearchText = None, after: After = None, limit: PageLimit = 50
    ) -> Page[DomainWithCounts]:
        """Main domains with their counts, in the order of their names. `q` searches the name (in A-labels)."""
        found = await domains.page(aliases=False, text=text, after=main_domains.cursor.text(after), limit=limit)
        return Page(items=[_row(domain) for domain in found], next=main_domains.cursor.behind(found, limit, name_of))

    @router.get("/{name}", summary="Get a domain")
    async def get_domain(
        name: Annotated[DomainName, Path(description="Name of the main domain.")], asked: Reading
    ) -> DomainView:
        """Returns one main domain."""
        return main_domains.shown(asked, await main_domain(name))

    @router.get("/{name}/counts", summary="Count accounts and addresses of a domain")
    async def get_domain_counts(
        name: Annotated[DomainName, Path(description="Name of the main domain.")], _: Reading
    ) -> DomainCounts:
        """The counts change without a change of the domain, and have no ETag."""
        found = await main_domain(name)
        return DomainCounts(accounts=found.accounts, addresses=found.addresses)

    @router.patch("/{name}", summary="Change a domain")
    async def update_domain(
        name: Annotated[DomainName, Path(description="Name of the main domain.")], body: DomainChanges, asked: Editing
    ) -> DomainView:
        """Changes the given fields (RFC 7396); a field that is absent stays as it is, and null unsets it."""
        fields = await _checked(directory, body)
        wished = {"quota_at": clock()} if "default_quota_bytes" in fields else {}
        edited = await domains.edit(name, lambda domain: domain.model_copy(update=fields | wished), match=asked.match)
        return main_domains.changed(asked, edited, domain=name, **fields)

    @router.delete("/{name}", status_code=204, summary="Delete a domain", responses=CONFLICT)
    async def delete_domain(
        name: Annotated[DomainName, Path(description="Name of the main domain.")], asked: Editing
    ) -> Response:
        """Deletes an empty domain. The answer is 409 while it has addresses or alias domains."""
        await domains.delete(name, alias=False, match=asked.match)
        return main_domains.deleted(asked, domain=name)

    return router


async def _checked(directory: Directory, body: DomainChanges) -> dict[str, object]:
    """The fields that were given, in the form in which they are kept."""
    fields = body.model_dump(exclude_unset=True)
    prefix = fields.get("account_prefix")
    if prefix is not None and not PREFIX.fullmatch(prefix):
        raise Unprocessable(
            "a prefix has lower-case letters, digits and dashes, starts with a letter and ends with none digit"
        )
    for name in ("catch_all", "postmaster"):
        if fields.get(name) is not None:
            fields[name] = await directory.located(fields[name])
    return fields


def _view(domain: Domain) -> DomainView:
    return DomainView.model_validate(domain.model_dump())


def _row(domain: Domain) -> DomainWithCounts:
    return DomainWithCounts.model_validate(domain.model_dump())
