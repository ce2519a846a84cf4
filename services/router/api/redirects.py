"""Redirects: mail of an existing account goes to other addresses, with or without a local copy."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from libs.http import After, Page, PageLimit, RequestBody
from libs.http.names import Address
from libs.http.openapi import CONFLICT
from libs.http.requests import example
from services.router.api.collection import Collection, address_of
from services.router.api.exchange import Creating, Editing, Reading
from services.router.directory import Directory
from services.router.domain.records import AddressRecord
from services.router.refusals import AlreadyExists, NotFound


class RedirectTargets(RequestBody):
    """Where the mail of an account goes."""

    targets: list[Address] = Field(description="Addresses that get the mail, local or remote.")
    keep_copy: bool = Field(True, description="Whether the mailbox of the account still gets the mail.")


class RedirectChanges(RequestBody):
    """A field that is absent stays as it is."""

    model_config = example({"keep_copy": False})

    targets: list[Address] = Field(default_factory=list, description="Where the mail goes.")
    keep_copy: bool = Field(True, description="Whether the mailbox of the account gets the mail, too.")


class NewRedirect(RedirectTargets):
    """A redirect to create."""

    model_config = example({"address": "jean@example.org", "targets": ["marie@example.org"], "keep_copy": True})

    address: Address = Field(description="An existing account.")


class RedirectView(BaseModel):
    """An account whose mail is redirected."""

    address: str = Field(description="Address of the account.")
    targets: tuple[str, ...] = Field(description="Where the mail goes.")
    keep_copy: bool = Field(description="Whether the mailbox of the account gets the mail, too.")


def redirect_routes(directory: Directory) -> APIRouter:
    """`/v1/redirects`."""
    router = APIRouter(prefix="/v1/redirects", tags=["redirects"])
    addresses = directory.addresses
    redirects = Collection("redirects", "redirect", address_of, _view)

    @router.post("", status_code=201, summary="Create a redirect")
    async def create_redirect(body: NewRedirect, asked: Creating) -> RedirectView:
        """Redirects the mail of an account to other addresses, with or without a copy in its mailbox."""
        account = await directory.found(body.address, "account")
        targets = await directory.targets(body.targets, of=account.address)

        def redirect(entry: AddressRecord) -> AddressRecord:
            if entry.targets:
                raise AlreadyExists(f"{entry.address} is redirected already")
            return entry.model_copy(update={"targets": targets, "keep_copy": body.keep_copy})

        made = await addresses.edit(account.address, redirect, once=asked.once, remains=lambda now: bool(now.targets))
        return redirects.made(asked, made, address=made.address, targets=targets, keep_copy=body.keep_copy)

    @router.get("", summary="List redirects")
    async def list_redirects(_: Reading, after: After = None, limit: PageLimit = 50) -> Page[RedirectView]:
        """Redirected accounts, in the order of their addresses."""
        return redirects.page(await addresses.redirected(after=redirects.cursor.text(after), limit=limit), limit)

    @router.get("/{address:path}", summary="Get a redirect")
    async def get_redirect(
        address: Annotated[Address, Path(description="An address of the account.")], asked: Reading
    ) -> RedirectView:
        """Returns the redirect of one account."""
        return redirects.shown(asked, _redirected(await directory.found(address, "account")))

    @router.patch("/{address:path}", summary="Change a redirect", responses=CONFLICT)
    async def update_redirect(
        address: Annotated[Address, Path(description="An address of the account.")],
        body: RedirectChanges,
        asked: Editing,
    ) -> RedirectView:
        """Changes the given fields (RFC 7396); a field that is absent stays as it is."""
        account = await directory.found(address, "account")
        changes = body.model_dump(exclude_unset=True)
        if "targets" in changes:
            changes["targets"] = await directory.targets(body.targets, of=account.address)
        edited = await addresses.edit(
            account.address, lambda entry: _redirected(entry).model_copy(update=changes), match=asked.match
        )
        return redirects.changed(asked, edited, address=edited.address, **changes)

    @router.delete("/{address:path}", status_code=204, summary="Delete a redirect")
    async def delete_redirect(
        address: Annotated[Address, Path(description="An address of the account.")], asked: Editing
    ) -> Response:
        """Deletes a redirect; the mailbox of the account gets its mail again."""
        account = await directory.found(address, "account")
        ended = {"targets": (), "keep_copy": True}
        await addresses.edit(
            account.address, lambda entry: _redirected(entry).model_copy(update=ended), match=asked.match
        )
        return redirects.deleted(asked, address=account.address)

    return router


def _redirected(entry: AddressRecord) -> AddressRecord:
    if not entry.targets:
        raise NotFound(f"{entry.address} is not redirected")
    return entry


def _view(entry: AddressRecord) -> RedirectView:
    return RedirectView(address=entry.address, targets=entry.targets, keep_copy=entry.keep_copy)
