"""The router over HTTP, with short caches that its events invalidate."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from libs.caching import Cache
from libs.envelope import Temporary
from libs.http import Client
from services.ingress.domain.relaying import Login
from services.ingress.ports import Resolution

_MAX_ENTRIES = 50_000

M = TypeVar("M", bound=BaseModel)


class _Recipient(BaseModel):
    status: Literal["local", "unknown", "not_ours"]
    domain: str = ""
    account: str | None = None
    max_size_bytes: int | None = None
    reason: str = ""


class _Authentication(BaseModel):
    account: str
    may_send: bool = True


class _Senders(BaseModel):
    addresses: list[str]
    may_send: bool = True


class HttpDirectory:
    """`GET /v1/recipients/{address}`, `POST /v1/authentications`, `GET /v1/senders/{account}`.

    A login that succeeded is known again for a while by a keyed digest of login and password (the key dies with the
    process), for Argon2 on every connection of every client would be the dearest thing in the house.
    """

    def __init__(self, client: Client, *, ttl: timedelta, clock: Callable[[], float]) -> None:
        self._client = client
        seconds = ttl.total_seconds()
        self._recipients: Cache[str, Resolution] = Cache(
            self._ask_recipient, ttl=seconds, max_entries=_MAX_ENTRIES, clock=clock
        )
        # There are many strangers and few changes; those are told by events.
        self._domains: Cache[str, bool] = Cache(
            self._ask_domain, ttl=10 * seconds, max_entries=_MAX_ENTRIES, clock=clock
        )
        self._senders: Cache[str, frozenset[str]] = Cache(
            self._ask_senders, ttl=seconds, max_entries=_MAX_ENTRIES, clock=clock
        )
        self._logins: dict[bytes, tuple[float, Login]] = {}
        self._ttl = seconds
        self._clock = clock
        self._key = os.urandom(32)

    async def recipient(self, address: str) -> Resolution:
        return await self._recipients.get(address)

    async def is_ours(self, domain: str) -> bool:
        """Asked of its postmaster: so there is one question a domain, whoever the senders are."""
        return await self._domains.get(domain)

    async def senders(self, account: str) -> frozenset[str]:
        return await self._senders.get(account)

    async def authenticate(self, login: str, password: str) -> Login | None:
        digest = hmac.digest(self._key, f"{login}\0{password}".encode(), sha256)
        ends, known = self._logins.get(digest, (0.0, None))
        if known is not None and ends > self._clock():
            return known
        response = await self._client.call("POST", "/v1/authentications", json={"login": login, "password": password})
        if response.status_code in (401, 403, 404, 422, 423):  # 423: locked; the peer need not know
            return None
        answer = _read(_Authentication, response)
        if not answer.may_send:
            return None
        found = Login(answer.account)
        if len(self._logins) >= _MAX_ENTRIES:
            self._logins.clear()
        self._logins[digest] = (self._clock() + self._ttl, found)
        return found

    def forget(self) -> None:
        """Routes, accounts or domains changed: an alias or a catch-all may lead anywhere, so nothing is kept."""
        self._recipients.clear()
        self._domains.clear()
        self._senders.clear()
        self._logins.clear()

    async def _ask_recipient(self, address: str) -> Resolution:
        found = _read(_Recipient, await self._client.call("GET", f"/v1/recipients/{quote(address, safe='@')}"))
        return Resolution(found.status, found.domain, found.account, found.max_size_bytes, found.reason)

    async def _ask_domain(self, domain: str) -> bool:
        return (await self._ask_recipient(f"postmaster@{domain}")).status != "not_ours"

    async def _ask_senders(self, account: str) -> frozenset[str]:
        """None for an account that is gone or may not send: it was allowed in, and then something changed."""
        response = await self._client.call("GET", f"/v1/senders/{quote(account, safe='@')}")
        if response.status_code == 404:
            return frozenset()
        answer = _read(_Senders, response)
        return frozenset(answer.addresses) if answer.may_send else frozenset()


def _read(kind: type[M], response: httpx.Response) -> M:
    """A router that answers nonsense is as good as none."""
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise Temporary(f"router: {response.status_code}, {error.error_count()} errors in the answer") from error
