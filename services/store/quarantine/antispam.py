"""antispam over HTTP: what the policy of a domain says of the quarantine, and its white and black lists.

With antispam away no notice is decided and no digest begun: both wait. What was asked is remembered for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from libs.caching import Cache
from libs.envelope import Permanent
from libs.http import Client
from services.store.mailboxes.refusals import InvalidRequest
from services.store.quarantine.notice import NoticePolicy

REMEMBERED = 10_000  # domains


class _Policy(BaseModel):
    """What store reads of a policy. An older antispam leaves fields out, and then the default counts."""

    model_config = ConfigDict(extra="ignore")

    notices: bool = True
    notices_to_own_senders: bool = True
    validation_whitelists: bool = True
    digest: Literal["off", "daily", "weekly"] = "off"
    language: Literal["en", "fr"] = "en"


class _PolicyView(BaseModel):
    model_config = ConfigDict(extra="ignore")

    policy: _Policy


class AntispamPolicies:
    """`monotonic` is a clock in seconds."""

    def __init__(self, client: Client, *, keep: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
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
        view = await self._client.model(_PolicyView, "GET", f"/v1/policies/{domain}")
        return NoticePolicy(**view.policy.model_dump())


class AntispamLists:
    """`POST /v1/lists/...`: an entry that is there already stays."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, colour: Literal["white", "black"], value: str, *, domain: str, comment: str) -> None:
        """Raises `Temporary`; `InvalidRequest` for what antispam takes for no sender."""
        entry: Mapping[str, str] = {"value": value, "domain": domain, "comment": comment}
        response = await self._client.call("POST", f"/v1/lists/sender_{colour}", json=entry)
        if response.status_code == 422:
            raise InvalidRequest("this sender cannot be listed")
        if response.is_error:
            raise Permanent(f"list: {response.status_code} {response.text[:200]}")
