"""Policies and sender lists of the antispam service.

With antispam away no notice is decided and no digest begins: both wait. Policies are cached.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from libs.caching import LoadingCache
from libs.neighbours import AntispamClient
from services.store.mailboxes.refusals import InvalidRequest
from services.store.quarantine.notice import NoticePolicy

REMEMBERED = 10_000  # domains


class AntispamPolicies:
    """Caches policies by domain. `monotonic` is a clock in seconds."""

    def __init__(
        self, antispam: AntispamClient, *, keep: timedelta, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._antispam = antispam
        # An answer that a concurrent change has outdated is not cached.
        self._policies: LoadingCache[str, NoticePolicy] = LoadingCache(
            self._asked, ttl=keep.total_seconds(), max_entries=REMEMBERED, clock=monotonic, rest=0
        )

    async def of(self, domain: str) -> NoticePolicy:
        """Return the policy of a domain. Raises `Temporary`, or `Permanent` for a domain unknown to antispam."""
        return await self._policies.get(domain)

    def forget(self, domain: str) -> None:
        """Forget the policy of a domain; an empty domain means all."""
        if domain:
            self._policies.forget(domain)
        else:
            self._policies.clear()

    async def _asked(self, domain: str) -> NoticePolicy:
        return NoticePolicy(**(await self._antispam.policy(domain)).model_dump())


class AntispamLists:
    """The white and black lists of senders. Adding an existing entry changes nothing."""

    def __init__(self, antispam: AntispamClient) -> None:
        self._antispam = antispam

    async def add(self, colour: Literal["white", "black"], value: str, *, domain: str, comment: str) -> None:
        """Add a sender. Raises `Temporary`, or `InvalidRequest` for an invalid sender."""
        if not await self._antispam.list_sender(colour, value, domain=domain, comment=comment):
            raise InvalidRequest("this sender cannot be listed")
