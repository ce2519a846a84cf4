"""What others ask: where an address leads, whether a recipient exists, who somebody is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, SecretStr

from libs.http import ADMIN, After, Cursor, Page, Problem, RequestBody, question, require
from libs.http.names import Address
from services.router.api.exchange import Limit
from services.router.authentication import AccountSuspended, Authentication
from services.router.directory import Directory
from services.router.domain.explanation import explain
from services.router.domain.resolution import Resolution
from services.router.resolver import Resolver


class DeliveryView(BaseModel):
    kind: Literal["local", "remote"]
    address: str


class ResolutionStep(BaseModel):
    address: str
    kind: str
    to: tuple[str, ...]
    text: str


class ResolutionFailure(BaseModel):
    address: str
    status: str = Field(description="RFC 3463.")
    reason: str


class ResolutionView(BaseModel):
    """Each mailbox and each remote address once. Failures are fatal only when there is no delivery."""

    address: str
    deliveries: list[DeliveryView]
    steps: list[ResolutionStep]
    failures: list[ResolutionFailure]


class RecipientStatus(BaseModel):
    """`account` is the mailbox whose quota counts; null when mail goes to several or to none of ours."""

    status: Literal["local", "unknown", "not_ours"]
    domain: str = Field("", description="Our main domain whose policy counts.")
    account: str | None = None
    max_size_bytes: int | None = None
    reason: str = Field("", description="Of `unknown`: RFC 3463 status and one sentence.")


class JunkRetention(BaseModel):
    """What is older is deleted from the Junk folders of the domain's accounts."""

    domain: str
    days: int


class LoginAttempt(RequestBody):
    login: str = Field(max_length=320, description="Login name or address.")
    password: SecretStr = Field(max_length=1024)


class Identity(BaseModel):
    account: str
    addresses: tuple[str, ...] = Field(description="What it may send as.")
    may_send: bool


class AccountBirth(BaseModel):
    """`made_at` tells an account from another one that had the address before."""

    account: str
    made_at: datetime


class SenderRights(BaseModel):
    account: str
    profile: str = Field(description="`manager` may train the filters of its domain (R-SPAM-43).")
    addresses: tuple[str, ...]
    may_send: bool


def question_routes(resolver: Resolver, authentication: Authentication, directory: Directory) -> APIRouter:
    """Routes that change nothing."""
    router = APIRouter(prefix="/v1", tags=["questions"])
    cursor = Cursor("junk-keeps")
    for_ingress = [Depends(require(ADMIN, "ingress"))]
    for_store = [Depends(require(ADMIN, "store"))]
    of_recipients = [Depends(require(ADMIN, "ingress", "quota"))]
    of_senders = [Depends(require(ADMIN, "ingress", "antispam"))]

    @router.get("/resolve", dependencies=[Depends(require(ADMIN))], summary="Where an address leads, step by step")
    async def resolve_address(address: Annotated[Address, Query(description="Ours or elsewhere.")]) -> ResolutionView:
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
        summary="Whether mail can go there",
    )
    async def get_recipient_status(address: str) -> RecipientStatus:
        view = _recipient(await resolver.resolve(address))
        domain = await directory.domains.find(view.domain) if view.status == "local" else None
        return view.model_copy(update={"max_size_bytes": domain.max_message_bytes}) if domain else view

    @router.get(
        "/junk-keeps",
        dependencies=for_store,
        summary="Domains that empty Junk by age, by name",
    )
    async def list_junk_retentions(after: After = None, limit: Limit = 50) -> Page[JunkRetention]:
        found = await directory.domains.emptying_junk(after=cursor.text(after), limit=limit)
        items = [JunkRetention(domain=domain.name, days=domain.junk_keep_days or 0) for domain in found]
        return Page(items=items, next=cursor.behind(found, limit, lambda domain: domain.name))

    @router.post(
        "/authentications",
        dependencies=for_ingress,
        summary="Check a login; 401 wrong, 423 suspended",
    )
    @question
    async def authenticate_login(body: LoginAttempt) -> Identity:
        try:
            account = await authentication.account(body.login, body.password.get_secret_value())
        except AccountSuspended:
            raise Problem(423, "the account is suspended") from None
        if account is None:
            raise Problem(401, "wrong login or password")
        return Identity(
            account=account.address,
            addresses=await authentication.sender_addresses(account),
            may_send=account.details.may_send,
        )

    @router.get("/births/{account:path}", dependencies=for_store, summary="When an account was made; 404 without one")
    async def get_account_birth(account: Address) -> AccountBirth:
        entry = await directory.found(account, "account")
        return AccountBirth(account=entry.address, made_at=entry.created_at)

    @router.get(
        "/senders/{account:path}",
        dependencies=of_senders,
        summary="What an account may send as",
    )
    async def get_sender_rights(account: Address) -> SenderRights:
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
    """Whose quota counts: the account that was asked for, or the only mailbox that an alias leads to."""
    first, deliveries = resolution.first, resolution.deliveries
    if first.kind == "account" and first.keeps_copy:
        return first.address
    return deliveries[0].address if len(deliveries) == 1 and deliveries[0].kind == "local" else None
