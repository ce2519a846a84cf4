"""HTTP: usage, limits, send limits."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from libs.http import ADMIN, Problem, RequestBody, question, require
from libs.http.names import MAX_ADDRESS_CHARACTERS, Count, DomainName, MailboxAddress
from libs.mail.address import InvalidAddress, canonical
from libs.network import plain
from services.quota.adapters.sends import MongoSends
from services.quota.adapters.usage import MongoUsage
from services.quota.domain.storage import Usage
from services.quota.handlers import UsageHandler
from services.quota.ports import Directory
from services.quota.settings import Settings

# What most addresses are, and what is in normal form as it stands.
_PLAIN = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@[a-z0-9]+(?:[.-][a-z0-9]+)*\.[a-z]{2,63}")
_PLAIN_CHARACTERS = 64


class UsageView(BaseModel):
    """Usage of a mailbox; `percent` of the limit, to a tenth."""

    used_bytes: int
    limit_bytes: int
    messages: int
    percent: float


class StorageLimitChange(RequestBody):
    """A limit in bytes; null takes it back."""

    limit_bytes: Count | None


class StorageLimit(BaseModel):
    """The own limit of an account or a domain in bytes; null: it has none of its own."""

    limit_bytes: int | None


class LimitQuery(RequestBody):
    """Many mailboxes at once, in any form of their addresses."""

    addresses: list[str] = Field(max_length=1000)


class LimitQueryResult(BaseModel):
    """Bytes by address, in the letters of the question; of one never heard of, what a new account would have.

    What is no address is left out: it does not keep the others from their answer.
    """

    limits: dict[str, int]


class SendAttempt(RequestBody):
    """An attempt to send: `key` is the account or the peer address."""

    key: str = Field(min_length=1, max_length=320)
    kind: Literal["webmail", "internal", "external", "relay"] = Field(alias="class")
    recipients: int = Field(ge=1, le=100_000)


class SendDecision(BaseModel):
    """`retry_at` is null when waiting does not help."""

    allowed: bool
    reason: str
    retry_at: datetime | None


def routes(
    settings: Settings,
    usage: MongoUsage,
    sends: MongoSends,
    directory: Directory,
    accountant: UsageHandler,
    *,
    changed: Callable[[str], Awaitable[None]],
    clock: Callable[[], datetime],
) -> APIRouter:
    """The API of quota. `changed(address)` tells the neighbours of a new limit."""
    router = APIRouter(prefix="/v1", tags=["quota"])
    admin, ingress, store = (Depends(require(ADMIN, *callers)) for callers in ((), ("ingress",), ("store",)))

    @router.get("/usage/{address:path}", dependencies=[ingress], summary="What a mailbox holds and may hold; or 404")
    async def get_usage(address: MailboxAddress) -> UsageView:
        found = await usage.get(address)
        if found is None and await directory.is_account(address):
            found = Usage(address, 0, 0, (await usage.limits_of([address]))[address])
        return _view(found)

    @router.post("/usage/{address:path}/recount", dependencies=[admin], summary="Count the messages anew, repair drift")
    async def recount_usage(address: MailboxAddress) -> UsageView:
        return _view(await accountant.recount(address))

    @router.get("/profiles", dependencies=[admin], summary="Limit of each profile, bytes")
    async def list_profiles() -> dict[str, int]:
        return dict(settings.profiles)

    @router.get("/limits/{address:path}", dependencies=[admin], summary="An account's own limit; that of usage counts")
    async def get_account_limit(address: MailboxAddress) -> StorageLimit:
        exists, limit_bytes = await usage.own_limit(address)
        if not exists and not await directory.is_account(address):
            raise Problem(404, f"there is no account {address}")
        return StorageLimit(limit_bytes=limit_bytes)

    @router.put("/limits/{address:path}", dependencies=[admin], summary="Give an account a limit of its own")
    async def replace_account_limit(address: MailboxAddress, limit: StorageLimitChange) -> UsageView:
        if not await usage.set_limit(address, limit.limit_bytes, now=clock()):
            raise Problem(404, f"there is no account {address}")
        await changed(address)
        return _view(await usage.get(address))

    @router.post("/limits/queries", dependencies=[store], summary="Limits of at most 1,000 mailboxes in one answer")
    @question
    async def query_limits(query: LimitQuery) -> LimitQueryResult:
        meant = {given: address for given in query.addresses if (address := _address(given))}
        found = await usage.limits_of(set(meant.values()))
        return LimitQueryResult(limits={given: found[address] for given, address in meant.items()})

    async def main_domain(domain: str) -> str:
        main = await directory.main_domain(domain)
        if main is None:
            raise Problem(404, f"there is no domain {domain}")
        return main

    @router.get("/domain-limits/{domain}", dependencies=[admin], summary="The limit that the accounts of a domain have")
    async def get_domain_limit(domain: DomainName) -> StorageLimit:
        return StorageLimit(limit_bytes=await usage.domain_limit(await main_domain(domain)))

    @router.put("/domain-limits/{domain}", dependencies=[admin], summary="Give the accounts of a domain a limit")
    async def replace_domain_limit(domain: DomainName, limit: StorageLimitChange) -> StorageLimit:
        main = await main_domain(domain)
        await usage.set_domain_limit(main, limit.limit_bytes, now=clock())
        await changed(f"@{main}")
        return StorageLimit(limit_bytes=limit.limit_bytes)

    @router.post("/sends", dependencies=[ingress], summary="May this be sent now? Checked and counted in one step")
    @question
    async def create_send(attempt: SendAttempt) -> SendDecision:
        limits = getattr(settings.send_limits, attempt.kind)
        key = f"{attempt.kind}:{_counted_as(attempt.key)}"
        decision = await sends.check_and_count(key, attempt.recipients, limits, now=clock())
        return SendDecision(allowed=decision.allowed, reason=decision.reason, retry_at=decision.retry_at)

    return router


def _address(text: str) -> str:
    """In the form in which mailboxes are known; empty for what is no address. Asked of thousands at a time."""
    if len(text) <= _PLAIN_CHARACTERS and _PLAIN.fullmatch(text):
        return text
    try:
        return canonical(text) if len(text) <= MAX_ADDRESS_CHARACTERS else ""
    except InvalidAddress:
        return ""


def _counted_as(key: str) -> str:
    """An account or a peer is one in all of its forms; a key of another kind is taken as it is."""
    if address := _address(key):
        return address
    try:
        return plain(key)
    except ValueError:
        return key.lower()


def _view(usage: Usage | None) -> UsageView:
    if usage is None:
        raise Problem(404, "there is no such mailbox")
    return UsageView(
        used_bytes=usage.used_bytes, limit_bytes=usage.limit_bytes, messages=usage.messages, percent=usage.percent
    )
