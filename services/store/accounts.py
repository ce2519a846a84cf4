"""Mailboxes come and go with their accounts; limits of quota are forgotten when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from libs.bus import Event
from libs.events import AccountChanged, AccountDeleted, QuotaChanged
from libs.runtime import Hears
from services.store.mailboxes.delivery import mailbox_address
from services.store.mailboxes.mongo_departures import MongoDepartures
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes
from services.store.mailboxes.ports import Limits
from services.store.quarantine.mongo_quarantine import MongoQuarantine


@dataclass(frozen=True, slots=True)
class Accounts:
    """Hears router and quota."""

    mailboxes: MongoMailboxes
    departures: MongoDepartures
    quarantine: MongoQuarantine
    limits: Limits
    clock: Callable[[], datetime]

    async def heard(self, event: Event) -> None:
        """Both kinds come through one durable queue, in the order in which they were told."""
        match event.name:
            case AccountChanged.__name__:
                await self.changed(event)
            case AccountDeleted.__name__:
                await self.deleted(event)

    async def changed(self, event: Event) -> None:
        """A new account has its folders before its first message."""
        account = AccountChanged.from_bus(event)
        address = mailbox_address(account.address)
        if account.made_at is not None:
            await self.departures.belongs(address, made_at=account.made_at)
        elif not await self.departures.moments([address]):
            await self.mailboxes.ensure([address])

    async def deleted(self, event: Event) -> None:
        """Every folder and message goes, and what waits in the quarantine; the next account begins empty."""
        account = AccountDeleted.from_bus(event)
        address, deleted_at = mailbox_address(account.address), account.deleted_at or self.clock()
        await self.departures.deleted(address, deleted_at)
        await self.quarantine.forget_account(address, before=deleted_at)

    async def quota_changed(self, event: Event) -> None:
        """Each process has its own memory of limits, so each must hear it; `@domain` means all of a domain."""
        address = QuotaChanged.from_bus(event).address
        self.limits.forget(address if address.startswith("@") else mailbox_address(address))

    def table(self) -> tuple[Hears, ...]:
        return (
            Hears((AccountChanged.__name__, AccountDeleted.__name__), self.heard, group="store", name="accounts"),
            Hears((QuotaChanged.__name__,), self.quota_changed),
        )
