"""The quota service over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from libs.caching import LoadingCache
from libs.neighbours import QuotaClient


class CachedQuotas:
    """The room in mailboxes, kept for a short time and dropped at `QuotaChanged`."""

    def __init__(self, quota: QuotaClient, *, ttl: timedelta, clock: Callable[[], float]) -> None:
        self._quota = quota
        self._rooms: LoadingCache[str, int | None] = LoadingCache(
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
        usage = await self._quota.usage(account)
        if usage is None or usage.limit_bytes is None:
            return None
        return usage.limit_bytes - usage.used_bytes


def _domain_of(account: str, room: int | None) -> tuple[str, ...]:
    return (f"@{account.rpartition('@')[2]}",)
