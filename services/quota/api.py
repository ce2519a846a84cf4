"""HTTP: usage, limits, send limits."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from libs.http import ADMIN, About, Page, Problem, RequestBody, question, require
from libs.http.names import MAX_ADDRESS_CHARACTERS, Count, DomainName, MailboxAddress
from libs.http.requests import example
from libs.mail.address import InvalidAddress, canonical
from libs.network import plain
from services.quota.adapters.sends import MongoSends
from services.quota.adapters.usage import MongoUsage
from services.quota.domain.storage import Usage
from services.quota.handlers import UsageHandler
from services.quota.ports import KnownAccounts
from services.quota.settings import Settings

# Most addresses: those that are in normal form already.
_PLAIN = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@[a-z0-9]+(?:[.-][a-z0-9]+)*\.[a-z]{2,63}")
_PLAIN_CHARACTERS = 64

ABOUT = About(
    description="Storage limits, usage of mailboxes and sending limits.",
    tags={
        "quota": "Usage, storage limits of accounts and domains, and sending limits.",
    },
)


class UsageView(BaseModel):
    """Usage of a mailbox; `percent` of the limit, to a tenth."""

    used_bytes: int = Field(description="Sum of the sizes of all messages.")
    limit_bytes: int = Field(description="The limit in force.")
    messages: int = Field(description="Number of all messages.")
    percent: float = Field(description="Used part of the limit in percent, to a tenth.")


class ProfileView(BaseModel):
    """A profile of accounts."""

    name: str = Field(description="Name of the profile.")
    limit_bytes: int = Field(description="Limit of accounts with the profile.")


class StorageLimitChange(RequestBody):
    """A limit in bytes; null takes it back."""

    model_config = example({"limit_bytes": 2_000_000_000})

    limit_bytes: Count | None = Field(description="The limit; null takes it back.")


class StorageLimit(BaseModel):
    """The own limit of an account or a domain in bytes; null: it has none of its own."""

    limit_bytes: int | None = Field(description="The limit; null for none.")


class LimitQuery(RequestBody):
    """Mailboxes to ask for, in any form of their addresses."""

    model_config = example({"addresses": ["jean@example.org"]})

    addresses: list[str] = Field(max_length=1000, description="Addresses of mailboxes, in any form.")


class LimitQueryResult(BaseModel):
    """Bytes by address, in the letters of the question; of one never heard of, what a new account would have.

    What is no address is left out: it does not keep the others from their answer.
    """

    limits: dict[str, int] = Field(description="Limit in bytes by address, as it was asked for.")


class SendAttempt(RequestBody):
    """An attempt to send: `key` is the account or the peer address."""

    model_config = example({"key": "jean@example.org", "class": "external", "recipients": 3})

    key: str = Field(min_length=1, max_length=320, description="The account, or the address of the peer.")
    kind: Literal["webmail", "internal", "external", "relay"] = Field(
        alias="class", description="Class of the sending, each of which has limits of its own."
    )
    recipients: int = Field(ge=1, le=100_000, description="Number of recipients.")


class SendDecision(BaseModel):
    """`retry_at` is null when waiting does not help."""

    allowed: bool = Field(description="Whether the message may be sent.")
    reason: str = Field(description="Why not; empty if it may.")
    retry_at: datetime | None = Field(description="When it may be tried again; null where waiting does not help.")


def routes(
    settings: Settings,
    usage: MongoUsage,
    sends: MongoSends,
    directory: KnownAccounts,
    handler: UsageHandler,
    *,
    changed: Callable[[str], Awaitable[None]],
    clock: Callable[[], datetime],
) -> APIRouter:
    """Create the routes of quota. `changed(address)` tells the other services of a new limit."""
    router = APIRouter(prefix="/v1", tags=["quota"])
    admin, ingress, store = (Depends(require(ADMIN, *callers)) for callers in ((), ("ingress",), ("store",)))

    @router.get("/usage/{address:path}", dependencies=[ingress], summary="Get the usage of a mailbox")
    async def get_usage(address: Annotated[MailboxAddress, Path(description="Address of the mailbox.")]) -> UsageView:
        """Shows the usage and the limit of a mailbox."""
        found = await usage.get(address)
        if found is None and await directory.is_account(address):
            found = Usage(address, 0, 0, (await usage.limits_of([address]))[address])
        return _view(found)

    @router.post("/usage/{address:path}/recount", dependencies=[admin], summary="Recount the usage of a mailbox")
    async def recount_usage(
        address: Annotated[MailboxAddress, Path(description="Address of the mailbox.")],
    ) -> UsageView:
        """Counts the messages of a mailbox anew and repairs the counters."""
        return _view(await handler.recount(address))

    @router.get("/profiles", dependencies=[admin], summary="List profiles")
    async def list_profiles() -> Page[ProfileView]:
        """The storage limit of each profile of accounts."""
        items = [ProfileView(name=name, limit_bytes=limit) for name, limit in settings.profiles.items()]
        return Page(items=items, next=None)

    @router.get("/limits/{address:path}", dependencies=[admin], summary="Get the limit of an account")
    async def get_account_limit(
        address: Annotated[MailboxAddress, Path(description="Address of the mailbox.")],
    ) -> StorageLimit:
        """The limit that the account itself has. The limit in force is that of its usage."""
        exists, limit_bytes = await usage.own_limit(address)
        if not exists and not await directory.is_account(address):
            raise Problem(404, f"there is no account {address}")
        return StorageLimit(limit_bytes=limit_bytes)

    @router.put("/limits/{address:path}", dependencies=[admin], summary="Set the limit of an account")
    async def replace_account_limit(
        address: Annotated[MailboxAddress, Path(description="Address of the mailbox.")], limit: StorageLimitChange
    ) -> UsageView:
        """Gives an account a limit of its own, or takes it back."""
        if not await usage.set_limit(address, limit.limit_bytes, now=clock()):
            raise Problem(404, f"there is no account {address}")
        await changed(address)
        return _view(await usage.get(address))

    @router.post("/limits/queries", dependencies=[store], summary="Get the limits of many mailboxes")
    @question
    async def query_limits(query: LimitQuery) -> LimitQueryResult:
        """The limits of at most 1,000 mailboxes in one answer. Texts that are no addresses are left out."""
        meant = {given: address for given in query.addresses if (address := _address(given))}
        found = await usage.limits_of(set(meant.values()))
        return LimitQueryResult(limits={given: found[address] for given, address in meant.items()})

    async def main_domain(domain: str) -> str:
        main = await directory.main_domain(domain)
        if main is None:
            raise Problem(404, f"there is no domain {domain}")
        return main

    @router.get("/domain-limits/{domain}", dependencies=[admin], summary="Get the limit of a domain")
    async def get_domain_limit(domain: Annotated[DomainName, Path(description="Name of the domain.")]) -> StorageLimit:
        """The limit of those accounts of a domain that have none of their own."""
        return StorageLimit(limit_bytes=await usage.domain_limit(await main_domain(domain)))

    @router.put("/domain-limits/{domain}", dependencies=[admin], summary="Set the limit of a domain")
    async def replace_domain_limit(
        domain: Annotated[DomainName, Path(description="Name of the domain.")], limit: StorageLimitChange
    ) -> StorageLimit:
        """Gives those accounts of a domain that have no limit of their own a limit, or takes it back."""
        main = await main_domain(domain)
        await usage.set_domain_limit(main, limit.limit_bytes, now=clock())
        await changed(f"@{main}")
        return StorageLimit(limit_bytes=limit.limit_bytes)

    @router.post("/sends", dependencies=[ingress], summary="Count a sending")
    @question
    async def create_send(attempt: SendAttempt) -> SendDecision:
        """Checks the sending limits and counts the recipients, in one step."""
        limits = getattr(settings.send_limits, attempt.kind)
        key = f"{attempt.kind}:{_counted_as(attempt.key)}"
        decision = await sends.check_and_count(key, attempt.recipients, limits, now=clock())
        return SendDecision(allowed=decision.allowed, reason=decision.reason, retry_at=decision.retry_at)

    return router


def _address(text: str) -> str:
    """Return the normal form of a mailbox address; empty for an invalid one. It is called thousands of times."""
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
