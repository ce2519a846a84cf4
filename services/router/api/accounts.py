"""Accounts: mailboxes with a login."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field, SecretStr

from libs.http import After, Cursor, Page, PageLimit, RequestBody
from libs.http.idempotency import Keys
from libs.http.names import Address, DomainName, PrintableText
from libs.http.openapi import CONFLICT
from libs.http.requests import example
from services.router.api.batches import EACH_ALONE, MAX_ITEMS, BatchCreation, BatchResult, BatchResults, batch_answers
from services.router.api.collection import address_of
from services.router.api.exchange import Creating, Creation, Editing, Exchange, OfDomain, Reading, SearchText
from services.router.directory import Directory, new_details
from services.router.domain.names import LOGIN
from services.router.domain.records import AddressRecord
from services.router.refusals import PreconditionFailed, Unprocessable

Profile = Literal["guest", "standard", "manager"]


class NewAccount(RequestBody):
    """Either `address`, or `domain` for the next name of the domain's account-name prefix."""

    model_config = example(
        {"address": "jean@example.org", "password": "correct horse 7", "surname": "Toto", "given_names": "Jean"}
    )

    address: Address | None = Field(None, description="The official address.")
    domain: DomainName | None = Field(None, description="Number the account by this domain's prefix.")
    password: SecretStr = Field(description="At least 8 characters, letters and digits.")
    quota_bytes: int | None = Field(None, ge=0, description="Handed on to quota, which owns limits; null: by domain.")
    profile: Profile = Field("standard", description="What the account may do.")
    surname: PrintableText = Field("", max_length=200, description="Surname of the person.")
    given_names: PrintableText = Field("", max_length=200, description="Given names of the person.")
    login: str | None = Field(None, pattern=f"^{LOGIN.pattern}$", description="Null: surname, dash, initials.")
    suspended: bool = Field(False, description="Whether the account cannot log in and send.")
    may_send: bool = Field(True, description="Whether the account may send.")


class NewAccounts(RequestBody):
    """Accounts to create."""

    model_config = example(
        {
            "items": [
                {"address": "jean@example.org", "password": "correct horse 7", "surname": "Toto"},
                {"address": "marie@example.org", "password": "battery staple 8", "surname": "Dupont"},
            ]
        }
    )

    items: list[Annotated[NewAccount, EACH_ALONE]] = Field(
        min_length=1, max_length=MAX_ITEMS, description="Each as the body of a single creation."
    )


class AccountChanges(RequestBody):
    """A field that is absent stays as it is."""

    model_config = example({"surname": "Toto", "suspended": True})

    password: SecretStr = Field(SecretStr(""), description="New password: at least 8 characters, letters and digits.")
    official_address: Address = Field("", description="Made when new; the old one stays an address.")
    quota_bytes: int | None = Field(None, ge=0, description="Handed on to quota, which owns limits; null: by domain.")
    profile: Profile = Field("standard", description="What the account may do.")
    surname: PrintableText = Field("", max_length=200, description="Surname of the person.")
    given_names: PrintableText = Field("", max_length=200, description="Given names of the person.")
    suspended: bool = Field(False, description="Whether the account cannot log in and send.")
    may_send: bool = Field(True, description="Whether the account may send.")


class NewAddress(RequestBody):
    """Another address for an account."""

    model_config = example({"address": "sales@example.org"})

    address: Address = Field(description="A functional or former address of the account.")


class RedirectSettings(BaseModel):
    """Where the mail of the account is redirected to."""

    targets: tuple[str, ...] = Field(description="Where the mail goes.")
    keep_copy: bool = Field(description="Whether the mailbox of the account gets the mail, too.")


class AccountView(BaseModel):
    """`address` names the mailbox and never changes. The limit of the mailbox is told by quota."""

    address: str = Field(description="Name of the mailbox; it never changes.")
    official_address: str = Field(description="Address that mail of the account is sent from.")
    addresses: tuple[str, ...] = Field(description="Its other addresses.")
    domain: str = Field(description="Main domain of the account.")
    login: str = Field(description="Login name.")
    surname: str = Field(description="Surname of the person.")
    given_names: str = Field(description="Given names of the person.")
    profile: str = Field(description="What the account may do.")
    suspended: bool = Field(description="Whether the account cannot log in and send.")
    may_send: bool = Field(description="Whether the account may send.")
    redirect: RedirectSettings | None = Field(description="Redirect of its mail; null for none.")
    replications: tuple[str, ...] = Field(description="Addresses that get a copy of its mail.")
    created_at: datetime = Field(description="When it was created.")


_EXAMPLE = {
    "address": "jean@example.org",
    "official_address": "jean@example.org",
    "addresses": [],
    "domain": "example.org",
    "login": "toto-j",
    "surname": "Toto",
    "given_names": "Jean",
    "profile": "standard",
    "suspended": False,
    "may_send": True,
    "redirect": None,
    "replications": [],
    "created_at": "2026-11-02T08:00:00Z",
}


def account_routes(directory: Directory, keys: Keys, clock: Callable[[], datetime]) -> APIRouter:
    """`/v1/accounts`."""
    router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
    addresses = directory.addresses
    batch = BatchCreation(keys, BatchResult[AccountView], BatchResults[AccountView])
    cursor = Cursor("accounts")

    async def view(entry: AddressRecord) -> AccountView:
        return _view(entry, [other.address for other in await addresses.owned_by(entry.address)])

    async def shown(asked: Exchange, entry: AddressRecord) -> AccountView:
        asked.tag(entry)
        return await view(entry)

    async def create(body: NewAccount, asked: Creation) -> AccountView:
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

    @router.post("", status_code=201, summary="Create an account")
    async def create_account(body: NewAccount, asked: Creating) -> AccountView:
        """Creates a mailbox with a login. Its folders are made within a moment."""
        return await create(body, asked)

    @router.post(
        "/batch",
        summary="Create several accounts",
        responses=batch_answers(_EXAMPLE, "accounts"),
        response_model_exclude_unset=True,
    )
    async def create_accounts(body: NewAccounts, asked: Creating) -> BatchResults[AccountView]:
        """Creates up to 200 accounts, one after the other. Each item has a result: the account, or the problem that
        its single creation would have. An item that fails does not stop the others. The same request with the same
        Idempotency-Key answers what was created, and tries again what was not.
        """
        return await batch.create(body.items, asked, create)

    @router.get("", summary="List accounts")
    async def list_accounts(
        _: Reading, domain: OfDomain = None, text: SearchText = None, after: After = None, limit: PageLimit = 50
    ) -> Page[AccountView]:
        """Accounts of one domain or of all, in the order of their addresses. `q` searches address, official address,
        login, surname and given names.
        """
        found = await addresses.page("account", domain=domain, text=text, after=cursor.text(after), limit=limit)
        items = [await view(item) for item in found]
        return Page(items=items, next=cursor.behind(found, limit, address_of))

    @router.post("/{address:path}/addresses", status_code=201, summary="Add an address to an account")
    async def create_account_address(
        address: Annotated[Address, Path(description="An address of the account.")], body: NewAddress, asked: Creating
    ) -> AccountView:
        """Gives an account another address, from which it may send and at which it gets mail."""
        account = await directory.found(address, "account")
        once = asked.once
        added = await directory.add_address(account, body.address, once=once)
        asked.did("address_added", address=account.address, added=added.address)
        asked.locate("accounts", added.address)
        return await shown(asked, await directory.found(account.address, "account"))

    @router.get("/{address:path}", summary="Get an account")
    async def get_account(
        address: Annotated[Address, Path(description="An address of the account.")], asked: Reading
    ) -> AccountView:
        """Returns one account, by any of its addresses."""
        return await shown(asked, await directory.found(address, "account"))

    @router.patch("/{address:path}", summary="Change an account", responses=CONFLICT)
    async def update_account(
        address: Annotated[Address, Path(description="An address of the account.")],
        body: AccountChanges,
        asked: Editing,
    ) -> AccountView:
        """Changes the given fields (RFC 7396); a field that is absent stays as it is."""
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

    @router.delete("/{address:path}", status_code=204, summary="Delete an account", responses=CONFLICT)
    async def delete_account(
        address: Annotated[Address, Path(description="An address of the account.")], asked: Editing
    ) -> Response:
        """Deletes an account with its addresses and credentials; its mailbox follows within a moment."""
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
