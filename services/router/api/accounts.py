"""Accounts: mailboxes with a login."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, SecretStr

from libs.http import After, Cursor, Page, RequestBody
from libs.http.names import Address, DomainName, PrintableText
from services.router.api.collection import address_of
from services.router.api.exchange import Creating, Editing, Exchange, Limit, OfDomain, Reading
from services.router.directory import Directory, new_details
from services.router.domain.names import LOGIN
from services.router.domain.records import AddressRecord
from services.router.refusals import PreconditionFailed, Unprocessable

Profile = Literal["guest", "standard", "manager"]


class NewAccount(RequestBody):
    """Either `address`, or `domain` for the next name of the domain's account-name prefix."""

    address: Address | None = Field(None, description="The official address.")
    domain: DomainName | None = Field(None, description="Number the account by this domain's prefix.")
    password: SecretStr = Field(description="At least 8 characters, letters and digits.")
    quota_bytes: int | None = Field(None, ge=0, description="Handed on to quota, which owns limits; null: by domain.")
    profile: Profile = "standard"
    surname: PrintableText = Field("", max_length=200)
    given_names: PrintableText = Field("", max_length=200)
    login: str | None = Field(None, pattern=f"^{LOGIN.pattern}$", description="Null: surname, dash, initials.")
    suspended: bool = False
    may_send: bool = True


class AccountChanges(RequestBody):
    """A field that is absent stays as it is."""

    password: SecretStr = SecretStr("")
    official_address: Address = Field("", description="Made when new; the old one stays an address.")
    quota_bytes: int | None = Field(None, ge=0, description="Handed on to quota, which owns limits; null: by domain.")
    profile: Profile = "standard"
    surname: PrintableText = Field("", max_length=200)
    given_names: PrintableText = Field("", max_length=200)
    suspended: bool = False
    may_send: bool = True


class NewAddress(RequestBody):
    address: Address = Field(description="A functional or former address of the account.")


class RedirectSettings(BaseModel):
    targets: tuple[str, ...]
    keep_copy: bool


class AccountView(BaseModel):
    """`address` names the mailbox and never changes. The limit of the mailbox is told by quota."""

    address: str
    official_address: str
    addresses: tuple[str, ...] = Field(description="Its other addresses.")
    domain: str
    login: str
    surname: str
    given_names: str
    profile: str
    suspended: bool
    may_send: bool
    redirect: RedirectSettings | None
    replications: tuple[str, ...]
    created_at: datetime


def account_routes(directory: Directory, clock: Callable[[], datetime]) -> APIRouter:
    """`/v1/accounts`."""
    router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
    addresses = directory.addresses
    cursor = Cursor("accounts")

    async def view(entry: AddressRecord) -> AccountView:
        return _view(entry, [other.address for other in await addresses.owned_by(entry.address)])

    async def shown(asked: Exchange, entry: AddressRecord) -> AccountView:
        asked.tag(entry)
        return await view(entry)

    @router.post("", status_code=201, summary="Make an account; 409 when the address exists or the domain is full")
    async def create_account(body: NewAccount, asked: Creating) -> AccountView:
        if (body.address is None) == (body.domain is None):
            raise Unprocessable("give either the address, or the domain that numbers it")
        address = body.address or await directory.numbered_address(body.domain or "")
        fields = body.model_dump(exclude={"address", "domain", "password", "login"})
        place = await directory.located(address)
        entry = await directory.entry(place, kind="account", account=new_details(place, **fields))
        made = await directory.make_account(
            entry,
            password=body.password.get_secret_value(),
            login=body.login or (place.rpartition("@")[0] if body.address is None else None),
            once=asked.once,
        )
        asked.did("account_made", address=made.address, **fields)
        asked.locate("accounts", made.address)
        return await shown(asked, made)

    @router.get("", summary="Accounts by address, of one domain or of all")
    async def list_accounts(
        _: Reading, domain: OfDomain = None, after: After = None, limit: Limit = 50
    ) -> Page[AccountView]:
        found = await addresses.page("account", domain=domain, after=cursor.text(after), limit=limit)
        items = [await view(item) for item in found]
        return Page(items=items, next=cursor.behind(found, limit, address_of))

    @router.post("/{address:path}/addresses", status_code=201, summary="Give an account another address; 409 if taken")
    async def create_account_address(address: Address, body: NewAddress, asked: Creating) -> AccountView:
        account = await directory.found(address, "account")
        once = asked.once
        added = await directory.add_address(account, body.address, once=once)
        asked.did("address_added", address=account.address, added=added.address)
        return await shown(asked, await directory.found(account.address, "account"))

    @router.get("/{address:path}", summary="One account, by any form of its address")
    async def get_account(address: Address, asked: Reading) -> AccountView:
        return await shown(asked, await directory.found(address, "account"))

    @router.patch("/{address:path}", summary="Change an account; 412 when If-Match names another version")
    async def update_account(address: Address, body: AccountChanges, asked: Editing) -> AccountView:
        account = await directory.found(address, "account")
        if asked.match is not None and not asked.match(account):
            raise PreconditionFailed  # before anything is made
        given = body.model_fields_set
        changes = body.model_dump(exclude_unset=True, exclude={"password"})
        hashed = await directory.password_hash(body.password.get_secret_value()) if "password" in given else None
        wished = {"quota_at": clock()} if "quota_bytes" in given else {}
        version = account.version
        if "official_address" in given:
            changes["official_address"], is_made = await directory.make_official(account, body.official_address)
            version += is_made  # an address more is a version more
        edited = await addresses.edit(
            account.address,
            lambda entry: entry.with_details(**changes, **wished),
            match=None if asked.match is None else lambda now: (now.version, now.birth) == (version, account.birth),
            password_hash=hashed,
        )
        asked.did("account_changed", address=account.address, password_changed=hashed is not None, **changes)
        return await shown(asked, edited)

    @router.delete("/{address:path}", status_code=204, summary="Delete an account, its addresses, and then its mailbox")
    async def delete_account(address: Address, asked: Editing) -> Response:
        place = await directory.located(address)
        await addresses.delete(place, "account", match=asked.match)
        asked.did("account_deleted", address=place)
        return Response(status_code=204)

    return router


def _view(entry: AddressRecord, others: list[str]) -> AccountView:
    fields = entry.details.model_dump()
    redirect = RedirectSettings(targets=entry.targets, keep_copy=entry.keep_copy) if entry.targets else None
    return AccountView(
        address=entry.address,
        addresses=tuple(others),
        domain=entry.domain,
        redirect=redirect,
        replications=entry.replications,
        created_at=entry.created_at,
        **fields,
    )
