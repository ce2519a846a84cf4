"""Questions of other services: routes of an address, status of a recipient, login of an account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field, SecretStr

from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, RequestBody, question, require
from libs.http.names import Address
from libs.http.requests import example
from services.router.authentication import AccountSuspended, Authentication
from services.router.directory import Directory
from services.router.domain.explanation import explain
from services.router.domain.resolution import Resolution
from services.router.resolver import RouteResolver


class DeliveryView(BaseModel):
    """A mailbox or a remote address in which the mail ends."""

    kind: Literal["local", "remote"] = Field(
        description="`local` is a mailbox of the cluster, `remote` an address elsewhere."
    )
    address: str = Field(description="The address.")


class ResolutionStep(BaseModel):
    """One step on the way of the mail."""

    address: str = Field(description="The address of this step.")
    kind: str = Field(description="What the address is.")
    to: tuple[str, ...] = Field(description="Addresses to which it leads.")
    text: str = Field(description="The step in words.")


class ResolutionFailure(BaseModel):
    """An address that leads nowhere."""

    address: str = Field(description="The address.")
    status: str = Field(description="RFC 3463.")
    reason: str = Field(description="Why mail for it is refused.")


class ResolutionView(BaseModel):
    """Each mailbox and each remote address once. Failures are fatal only when there is no delivery."""

    address: str = Field(description="The address that was asked for.")
    deliveries: list[DeliveryView] = Field(
        description="Where the mail ends, each mailbox and each remote address once."
    )
    steps: list[ResolutionStep] = Field(description="The way of the mail.")
    failures: list[ResolutionFailure] = Field(description="Addresses that lead nowhere.")


class RecipientStatus(BaseModel):
    """`account` is the mailbox whose quota counts; null when mail goes to several mailboxes or to no local one."""

    status: Literal["local", "unknown", "not_ours"] = Field(
        description="`not_ours` is an address elsewhere, to which mail is relayed for authenticated senders only."
    )
    domain: str = Field("", description="Our main domain whose policy counts.")
    account: str | None = Field(
        None,
        description="Mailbox whose quota counts; null when mail goes to several mailboxes or to none of the cluster.",
    )
    max_size_bytes: int | None = Field(
        None, description="Size of the largest message to the domain; null: the general limit."
    )
    reason: str = Field("", description="Of `unknown`: RFC 3463 status and one sentence.")


class JunkRetention(BaseModel):
    """The retention of Junk: older mail is deleted from the Junk folders of the domain's accounts."""

    domain: str = Field(description="Name of the domain.")
    days: int = Field(description="Days after which mail in Junk is deleted.")


class LoginAttempt(RequestBody):
    """A login to check."""

    model_config = example({"login": "jean@example.org", "password": "correct horse 7"})

    login: str = Field(max_length=320, description="Login name or address.")
    password: SecretStr = Field(max_length=1024, description="The password.")


class Identity(BaseModel):
    """The account of a login."""

    account: str = Field(description="Address of the account.")
    addresses: tuple[str, ...] = Field(description="What it may send as.")
    may_send: bool = Field(description="Whether the account may send.")


class AccountBirth(BaseModel):
    """`made_at` tells an account from another one that had the address before."""

    account: str = Field(description="Address of the account.")
    made_at: datetime = Field(description="When the account was created.")


class SenderRights(BaseModel):
    """Lists the addresses from which an account may send."""

    account: str = Field(description="Address of the account.")
    profile: str = Field(description="`manager` may train the filters of its domain.")
    addresses: tuple[str, ...] = Field(description="Addresses from which it may send.")
    may_send: bool = Field(description="Whether it may send at all.")


def question_routes(resolver: RouteResolver, authentication: Authentication, directory: Directory) -> APIRouter:
    """Create the routes that change nothing."""
    router = APIRouter(prefix="/v1", tags=["questions"])
    cursor = Cursor("junk-keeps")
    for_ingress = [Depends(require(ADMIN, "ingress"))]
    for_store = [Depends(require(ADMIN, "store"))]
    of_recipients = [Depends(require(ADMIN, "ingress", "quota"))]
    of_senders = [Depends(require(ADMIN, "ingress", "antispam"))]

    @router.get("/resolve", dependencies=[Depends(require(ADMIN))], summary="Resolve an address")
    async def resolve_address(address: Annotated[Address, Query(description="Ours or elsewhere.")]) -> ResolutionView:
        """Shows where mail for an address goes, step by step. Nothing is sent."""
        resolution = await resolver.resolve(address)
        return ResolutionView(
            address=address,
            deliveries=[DeliveryView(kind=item.kind, address=item.address) for item in resolution.deliveries],
            steps=[ResolutionStep(address=s.address, kind=s.kind, to=s.to, text=s.text) for s in explain(resolution)],
            failures=[
                ResolutionFailure(address=f.address, status=f.status, reason=f.reason) for f in resolution.failures
            ],
        )

    @router.get(
        "/recipients/{address:path}",
        dependencies=of_recipients,
        summary="Get the status of a recipient",
    )
    async def get_recipient_status(
        address: Annotated[str, Path(description="Address of the recipient.")],
    ) -> RecipientStatus:
        """Tells whether mail for an address can be accepted, and the limits of which account count."""
        view = _recipient(await resolver.resolve(address))
        domain = await directory.domains.find(view.domain) if view.status == "local" else None
        return view.model_copy(update={"max_size_bytes": domain.max_message_bytes}) if domain else view

    @router.get(
        "/junk-keeps",
        dependencies=for_store,
        summary="List the retention of Junk folders",
    )
    async def list_junk_retentions(after: After = None, limit: PageLimit = 50) -> Page[JunkRetention]:
        """Domains that delete old mail from Junk, in the order of their names."""
        found = await directory.domains.emptying_junk(after=cursor.text(after), limit=limit)
        items = [JunkRetention(domain=domain.name, days=domain.junk_keep_days or 0) for domain in found]
        return Page(items=items, next=cursor.behind(found, limit, lambda domain: domain.name))

    @router.post(
        "/authentications",
        dependencies=for_ingress,
        summary="Check a login",
        responses={401: {"description": "The token, the login or the password is wrong."}, 423: {}},
    )
    @question
    async def authenticate_login(body: LoginAttempt) -> Identity:
        """Checks a login and a password. The answer is 401 when one of them is wrong, and 423 when the account is
        locked.
        """
        try:
            account = await authentication.account(body.login, body.password.get_secret_value())
        except AccountSuspended:
            raise Problem(423, "the account is suspended") from None
        if account is None:
            raise Problem(401, "wrong login or password", kind="wrong-credentials")
        return Identity(
            account=account.address,
            addresses=await authentication.sender_addresses(account),
            may_send=account.details.may_send,
        )

    @router.get("/births/{account:path}", dependencies=for_store, summary="Get the creation time of an account")
    async def get_account_birth(
        account: Annotated[Address, Path(description="An address of the account.")],
    ) -> AccountBirth:
        """Shows when an account was created, which distinguishes it from an earlier account of its address."""
        entry = await directory.found(account, "account")
        return AccountBirth(account=entry.address, made_at=entry.created_at)

    @router.get(
        "/senders/{account:path}",
        dependencies=of_senders,
        summary="Get the sender rights of an account",
    )
    async def get_sender_rights(
        account: Annotated[Address, Path(description="An address of the account.")],
    ) -> SenderRights:
        """Lists the addresses from which an account may send."""
        entry = await directory.found(account, "account")
        return SenderRights(
            account=entry.address,
            profile=entry.details.profile,
            addresses=await authentication.sender_addresses(entry),
            may_send=entry.details.may_send and not entry.details.suspended,
        )

    return router


def _recipient(resolution: Resolution) -> RecipientStatus:
    first = resolution.first
    if first.kind == "remote":
        return RecipientStatus(status="not_ours")
    domain = first.address.rpartition("@")[2] if "@" in first.address else ""
    if not resolution.deliveries:
        return RecipientStatus(status="unknown", domain=domain, reason=resolution.failure)
    return RecipientStatus(status="local", domain=domain, account=_account(resolution))


def _account(resolution: Resolution) -> str | None:
    """Return the account whose quota counts: the recipient itself, or the only mailbox that an alias leads to."""
    first, deliveries = resolution.first, resolution.deliveries
    if first.kind == "account" and first.keeps_copy:
        return first.address
    return deliveries[0].address if len(deliveries) == 1 and deliveries[0].kind == "local" else None
