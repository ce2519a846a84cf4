"""HTTP: usage, limits, send limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from libs.http import ADMIN, Problem, require
from services.quota.adapters.sends import MongoSends
from services.quota.adapters.usage import MongoUsage
from services.quota.domain.storage import Usage
from services.quota.handlers import Accountant
from services.quota.ports import Directory
from services.quota.settings import Settings


class UsageView(BaseModel):
    """Usage of a mailbox; `percent` of the limit, to a tenth."""

    used_bytes: int
    limit_bytes: int
    messages: int
    percent: float


class Limit(BaseModel):
    """A limit in bytes; null takes an override back."""

    limit_bytes: int | None = Field(ge=0)


class LimitsQuery(BaseModel):
    """Many mailboxes at once, in any letter case."""

    addresses: list[Annotated[str, Field(max_length=320)]] = Field(max_length=1000)


class Limits(BaseModel):
    """Bytes by address, in the letters of the question; of one never heard of, what a new account would have."""

    limits: dict[str, int]


class Send(BaseModel):
    """An attempt to send: `key` is the account or the peer address."""

    key: str = Field(min_length=1, max_length=320)
    kind: Literal["webmail", "internal", "external", "relay"] = Field(alias="class")
    recipients: int = Field(ge=1, le=100_000)


class SendAnswer(BaseModel):
    """`retry_at` is null when waiting does not help."""

    allowed: bool
    reason: str
    retry_at: datetime | None


def routes(
    settings: Settings,
    usage: MongoUsage,
    sends: MongoSends,
    directory: Directory,
    accountant: Accountant,
    *,
    changed: Callable[[str], Awaitable[None]],
    clock: Callable[[], datetime],
) -> APIRouter:
    """The API of quota. `changed(address)` tells the neighbours of a new limit."""
    router = APIRouter(prefix="/v1", tags=["quota"])
    admin, ingress, store = (Depends(require(ADMIN, *callers)) for callers in ((), ("ingress",), ("store",)))

    @router.get("/usage/{address:path}", dependencies=[ingress], summary="What a mailbox holds and may hold; or 404")
    async def read(address: str) -> UsageView:
        address = address.lower()
        found = await usage.get(address)
        if found is None and await directory.is_account(address):
            found = Usage(address, 0, 0, (await usage.limits_of([address]))[address])
        return _view(found)

    @router.post("/usage/{address:path}/recount", dependencies=[admin], summary="Count the messages anew, repair drift")
    async def recount(address: str) -> UsageView:
        return _view(await accountant.recount(address.lower()))

    @router.get("/profiles", dependencies=[admin], summary="Limit of each profile, bytes")
    async def profiles() -> dict[str, int]:
        return dict(settings.profiles)

    @router.put("/limits/{address:path}", dependencies=[admin], summary="Give an account a limit of its own")
    async def set_limit(address: str, limit: Limit) -> UsageView:
        address = address.lower()
        if not await usage.set_limit(address, limit.limit_bytes):
            raise Problem(404, f"there is no account {address}")
        await changed(address)
        return _view(await usage.get(address))

    @router.post("/limits/queries", dependencies=[store], summary="Limits of at most 1,000 mailboxes in one answer")
    async def limits(query: LimitsQuery) -> Limits:
        found = await usage.limits_of({address.lower() for address in query.addresses})
        return Limits(limits={address: found[address.lower()] for address in query.addresses})

    @router.put("/domain-limits/{domain}", dependencies=[admin], summary="Give the accounts of a domain a limit")
    async def set_domain_limit(domain: str, limit: Limit) -> Limit:
        await usage.set_domain_limit(domain.lower(), limit.limit_bytes)
        await changed(f"@{domain.lower()}")
        return limit

    @router.post("/sends", dependencies=[ingress], summary="May this be sent now? Checked and counted in one step")
    async def send(attempt: Send) -> SendAnswer:
        limits = getattr(settings.send_limits, attempt.kind)
        key = f"{attempt.kind}:{attempt.key.lower()}"
        decision = await sends.check_and_count(key, attempt.recipients, limits, now=clock())
        return SendAnswer(allowed=decision.allowed, reason=decision.reason, retry_at=decision.retry_at)

    return router


def _view(usage: Usage | None) -> UsageView:
    if usage is None:
        raise Problem(404, "there is no such mailbox")
    return UsageView(
        used_bytes=usage.used_bytes, limit_bytes=usage.limit_bytes, messages=usage.messages, percent=usage.percent
    )
