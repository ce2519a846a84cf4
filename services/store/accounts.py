"""Creates and deletes mailboxes with their accounts, and forgets quota limits when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.events import AccountChanged, AccountDeleted, QuotaChanged
from libs.runtime import EventHandler
from services.store.mailboxes.delivery import mailbox_address
from services.store.mailboxes.mongo_account_deletion import MongoAccountDeletion
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes
from services.store.mailboxes.ports import MailboxLimits
from services.store.quarantine.mongo_quarantine import MongoQuarantine


@dataclass(frozen=True, slots=True)
class Accounts:
    """Handles the events of router and quota."""

    mailboxes: MongoMailboxes
    account_deletion: MongoAccountDeletion
    quarantine: MongoQuarantine
    limits: MailboxLimits
    clock: Callable[[], datetime]

    async def account_event(self, event: AccountChanged | AccountDeleted) -> None:
        """Both events come through one durable queue, in the order in which they were emitted."""
        match event:
            case AccountChanged():
                await self.account_changed(event)
            case AccountDeleted():
                await self.account_deleted(event)

    async def account_changed(self, account: AccountChanged) -> None:
        """Create the folders of a new account before its first message."""
        address = mailbox_address(account.address)
        if account.made_at is not None:
            await self.account_deletion.assign(address, made_at=account.made_at)
        elif not await self.account_deletion.deletion_times([address]):
            await self.mailboxes.ensure([address])

    async def account_deleted(self, account: AccountDeleted) -> None:
        """Delete all folders, messages and quarantined mail of the account. The next account of the address starts
        empty.
        """
        address, deleted_at = mailbox_address(account.address), account.deleted_at or self.clock()
        await self.account_deletion.delete_account(address, deleted_at)
        await self.quarantine.delete_account(address, before=deleted_at)

    async def quota_changed(self, event: QuotaChanged) -> None:
        """Forget a limit. Each process has its own cache and needs the event. `@domain` means all of a domain."""
        address = event.address
        self.limits.forget(address if address.startswith("@") else mailbox_address(address))

    def table(self) -> tuple[EventHandler[Any], ...]:
        """Return the table of event handlers."""
        return (
            EventHandler[AccountChanged | AccountDeleted](
                (AccountChanged, AccountDeleted), self.account_event, group="store", name="accounts"
            ),
            EventHandler(QuotaChanged, self.quota_changed),
        )
