"""Mailboxes come and go with their accounts; limits of quota are forgotten when they change."""

from __future__ import annotations

from dataclasses import dataclass

from libs.bus import Event
from libs.events import AccountChanged, AccountDeleted, QuotaChanged
from libs.runtime import Hears
from services.store.adapters.mongo_expunge import MongoExpunge
from services.store.adapters.mongo_mailboxes import MongoMailboxes
from services.store.domain.delivery import mailbox_address
from services.store.ports import Announcements, Limits


@dataclass(frozen=True, slots=True)
class Accounts:
    """Hears router and quota."""

    mailboxes: MongoMailboxes
    expunge: MongoExpunge
    limits: Limits
    announcements: Announcements

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
        if account.made_at is None:
            await self.mailboxes.ensure([address])
        else:
            await self.mailboxes.belongs(address, made_at=account.made_at)

    async def deleted(self, event: Event) -> None:
        """Every folder and message goes; what is delivered in the meantime goes too.

        Where the address has a younger account by now, only what the former one may have left goes.
        """
        account = AccountDeleted.from_bus(event)
        address, deleted_at = mailbox_address(account.address), account.deleted_at
        while deleted_at is None or not await self.mailboxes.is_younger(address, deleted_at):
            await self.expunge.mailbox(address)
            if await self.mailboxes.delete_empty_mailbox(address):
                return
        usage = await self.expunge.stored_before(address, deleted_at)
        if usage is not None:
            self.announcements.changed([usage])

    async def quota_changed(self, event: Event) -> None:
        """Each process has its own memory of limits, so each must hear it; `@domain` means all of a domain."""
        address = QuotaChanged.from_bus(event).address
        self.limits.forget(address if address.startswith("@") else mailbox_address(address))

    def table(self) -> tuple[Hears, ...]:
        return (
            Hears((AccountChanged.__name__, AccountDeleted.__name__), self.heard, group="store", name="accounts"),
            Hears((QuotaChanged.__name__,), self.quota_changed),
        )
