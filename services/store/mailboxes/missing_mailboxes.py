"""Resolves mail for a mailbox that does not exist: that of a new account, or of a deleted one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from libs.envelope import Permanent, Temporary
from services.store.mailboxes.messages import Copy, Unavailable
from services.store.mailboxes.mongo_account_deletion import MongoAccountDeletion
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes
from services.store.mailboxes.ports import AccountDirectory

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MissingMailboxes:
    """Asks the router only about addresses of former accounts, and only for mail accepted after their deletion."""

    mailboxes: MongoMailboxes
    account_deletion: MongoAccountDeletion
    directory: AccountDirectory

    async def resolve(self, addresses: Collection[str], copies: Iterable[Copy]) -> dict[str, Unavailable]:
        """Create the mailboxes that belong to an account and return the others as unavailable. Raises `Temporary`."""
        former = await self.account_deletion.deletion_times(addresses)
        await self.mailboxes.ensure(address for address in addresses if address not in former)
        newest = _newest(copies)
        unavailable: dict[str, Unavailable] = {}
        for address, deleted_at in former.items():
            accepted_at = newest.get(address)
            if accepted_at is not None and accepted_at <= deleted_at:
                unavailable[address] = "gone"
            elif (state := await self._look_up(address, deleted_at)) is not None:
                unavailable[address] = state
        return unavailable

    async def _look_up(self, address: str, deleted_at: datetime) -> Unavailable | None:
        try:
            made_at = await self.directory.made_at(address)
            if made_at is None:
                return "gone"
            if made_at <= deleted_at:
                return "unknown"
            await self.account_deletion.assign(address, made_at=made_at)
        except (Temporary, Permanent) as error:
            # Mail for this address waits; mail for others in the same batch does not.
            log.warning("account_lookup_failed", mailbox=address, reason=error.reason)
            return "unknown"
        return None


def _newest(copies: Iterable[Copy]) -> Mapping[str, datetime]:
    """Return the newest acceptance time by mailbox. A copy without that time counts as newer than all."""
    newest: dict[str, datetime] = {}
    unknown = set()
    for copy in copies:
        if copy.accepted_at is None:
            unknown.add(copy.mailbox)
        else:
            newest[copy.mailbox] = max(newest.get(copy.mailbox, copy.accepted_at), copy.accepted_at)
    return {mailbox: moment for mailbox, moment in newest.items() if mailbox not in unknown}
