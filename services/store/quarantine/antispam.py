"""antispam over HTTP: what the policy of a domain says of the quarantine, and its white and black lists.

With antispam away no notice is decided and no digest begun: both wait. What was asked is remembered for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from libs.caching import Cache
from libs.neighbours import AntispamClient
from services.store.mailboxes.refusals import InvalidRequest
from services.store.quarantine.notice import NoticePolicy

REMEMBERED = 10_000  # domains


class AntispamPolicies:
    """`monotonic` is a clock in seconds."""

    def __init__(
        self, antispam: AntispamClient, *, keep: timedelta, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._antispam = antispam
        # An answer that a change overtook is not kept.
        self._policies: Cache[str, NoticePolicy] = Cache(
            self._asked, ttl=keep.total_seconds(), max_entries=REMEMBERED, clock=monotonic, rest=0
        )

    async def of(self, domain: str) -> NoticePolicy:
        """Raises `Temporary`; `Permanent` where antispam knows no such domain."""
        return await self._policies.get(domain)

    def forget(self, domain: str) -> None:
        """It changed; empty: all did."""
        if domain:
            self._policies.forget(domain)
        else:
            self._policies.clear()

    async def _asked(self, domain: str) -> NoticePolicy:
        return NoticePolicy(**(await self._antispam.policy(domain)).model_dump())


class AntispamLists:
    """`POST /v1/lists/...`: an entry that is there already stays."""

    def __init__(self, antispam: AntispamClient) -> None:
        self._antispam = antispam

    async def add(self, colour: Literal["white", "black"], value: str, *, domain: str, comment: str) -> None:
        """Raises `Temporary`; `InvalidRequest` for what antispam takes for no sender."""
        if not await self._antispam.list_sender(colour, value, domain=domain, comment=comment):
            raise InvalidRequest("this sender cannot be listed")
