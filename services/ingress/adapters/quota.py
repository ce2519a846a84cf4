"""The quota service over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from libs.caching import Cache
from libs.envelope import Permanent, Temporary
from libs.http import Client
from services.ingress.domain.relaying import SendClass
from services.ingress.ports import Allowance


class _Usage(BaseModel):
    used_bytes: int
    limit_bytes: int | None


class _Answer(BaseModel):
    allowed: bool
    retry_at: datetime | None = None
    reason: str = ""


class HttpQuotas:
    """`GET /v1/usage/{address}`, kept for a short time and dropped at `QuotaChanged`."""

    def __init__(self, client: Client, *, ttl: timedelta, clock: Callable[[], float]) -> None:
        self._client = client
        self._rooms: Cache[str, int | None] = Cache(
            self._ask, ttl=ttl.total_seconds(), max_entries=50_000, clock=clock, rest=5.0, tags=_domain_of
        )

    async def room_bytes(self, account: str) -> int | None:
        return await self._rooms.get(account)

    def forget(self, address: str) -> None:
        """An address, or `@domain` for all of a domain."""
        if address.startswith("@"):
            self._rooms.forget_tagged(address)
        else:
            self._rooms.forget(address)

    async def _ask(self, account: str) -> int | None:
        response = await self._client.call("GET", f"/v1/usage/{quote(account, safe='@')}")
        if response.status_code == 404:
            return None
        try:
            usage = _Usage.model_validate_json(response.content)
        except ValidationError as error:
            raise Temporary(f"usage: {response.status_code}, {error.error_count()} errors") from error
        return None if usage.limit_bytes is None else usage.limit_bytes - usage.used_bytes


def _domain_of(account: str, room: int | None) -> tuple[str, ...]:
    return (f"@{account.rpartition('@')[2]}",)


class HttpSends:
    """`POST /v1/sends`: never cached, for it counts."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def attempt(self, key: str, send_class: SendClass, recipients: int) -> Allowance:
        body = {"key": key, "class": send_class, "recipients": recipients}
        try:
            answer = await self._client.model(_Answer, "POST", "/v1/sends", json=body)
        except Permanent as error:
            raise Temporary(error.reason) from error
        return Allowance(answer.allowed, answer.retry_at, answer.reason)
