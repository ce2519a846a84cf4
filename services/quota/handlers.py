"""Event handlers: usage of mailboxes, accounts and domains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.bus import Bus
from libs.events import AccountChanged, AccountDeleted, DomainChanged, MailboxUsageChanged, QuotaChanged
from libs.runtime import EventHandler
from libs.runtime.periodic import reason_of
from services.quota.adapters.usage import MongoUsage, UsageChange
from services.quota.domain.storage import Usage, should_warn
from services.quota.ports import MailboxCounter, MailboxTotals, Post

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UsageHandler:
    """Keeps usage true and warns the owner of a nearly full mailbox; `write` composes the warning."""

    usage: MongoUsage
    counter: MailboxCounter
    post: Post
    write: Callable[[Usage, str, datetime], bytes]
    bus: Bus
    clock: Callable[[], datetime]
    warn_percent: int
    warn_again: timedelta

    async def usage_changed(self, event: MailboxUsageChanged) -> None:
        """Newer totals of a mailbox."""
        await self.apply_totals(MailboxTotals(**event.model_dump()))

    async def account_changed(self, account: AccountChanged) -> None:
        """A new account, another profile or limit."""
        await self.usage.set_profile(
            account.address,
            limit_bytes=account.quota_bytes,
            limited_at=account.quota_at,
            profile=account.profile,
            made_at=account.made_at,
        )
        await self.bus.emit(QuotaChanged(address=account.address).to_bus())

    async def domain_changed(self, domain: DomainChanged) -> None:
        """A new domain, or another wish for the limit of its accounts."""
        if domain.quota_at is None:
            return
        if await self.usage.wish_domain_limit(domain.domain, domain.quota_bytes, limited_at=domain.quota_at):
            await self.bus.emit(QuotaChanged(address=f"@{domain.domain}").to_bus())

    async def account_deleted(self, account: AccountDeleted) -> None:
        """Nothing is left of it, unless the address has a younger account by now."""
        await self.usage.forget(account.address, deleted_at=account.deleted_at or self.clock())

    async def apply_totals(self, counted: MailboxTotals) -> Usage | None:
        """Apply totals if they are newer, tell the neighbours when the account went over or under, warn."""
        change = await self.usage.apply(counted)
        if change is None:
            return None
        if change.over_before != change.after.over:
            await self.bus.emit(QuotaChanged(address=counted.address).to_bus())
        await self._warn(change)
        return change.after

    async def _warn(self, change: UsageChange) -> None:
        now, usage = self.clock(), change.after
        if not should_warn(
            usage, warned_at=change.warned_at, now=now, percent=self.warn_percent, again=self.warn_again
        ):
            return
        if not await self.usage.mark_warned(usage.address, now=now, again=self.warn_again):
            return
        key = f"quota:{usage.address}:{now:%Y%m%d%H%M}"
        try:
            await self.post.send(self.write(usage, key, now), to=usage.address, key=key)
        except Exception as error:
            # A lost warning loses no mail, and the totals are written: the next message tries again.
            log.warning("warning_not_sent", reason=reason_of(error))
            await self.usage.unmark_warned(usage.address, now=now)

    async def recount(self, address: str) -> Usage | None:
        """Repair drift by a count of the store; None when there is no such mailbox."""
        counted = await self.counter.recount(address)
        if counted is None:
            return None
        await self.apply_totals(counted)
        return await self.usage.get(address)

    def table(self) -> tuple[EventHandler[Any], ...]:
        """The handlers of events; all of them are durable."""
        return (
            EventHandler(MailboxUsageChanged, self.usage_changed, group="quota", name="usage"),
            EventHandler(AccountChanged, self.account_changed, group="quota", name="accounts"),
            EventHandler(DomainChanged, self.domain_changed, group="quota", name="domains"),
            EventHandler(AccountDeleted, self.account_deleted, group="quota", name="deletions"),
        )
