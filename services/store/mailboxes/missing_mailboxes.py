"""Mail for a mailbox that is not there: a new account's first, or that of an account that is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from libs.envelope import Permanent, Temporary
from services.store.mailboxes.messages import Copy
from services.store.mailboxes.mongo_account_deletion import MongoAccountDeletion
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes
from services.store.mailboxes.ports import AccountDirectory

log = structlog.get_logger(__name__)

Unavailable = Literal["gone", "unknown"]


@dataclass(frozen=True, slots=True)
class MissingMailboxes:
    """The router is asked only about an address that had an account before, and mail that came in after its end."""

    mailboxes: MongoMailboxes
    account_deletion: MongoAccountDeletion
    directory: AccountDirectory

    async def resolve(self, addresses: Collection[str], copies: Iterable[Copy]) -> dict[str, Unavailable]:
        """Make the mailboxes that belong to somebody; the others are closed. Raises `Temporary`."""
        former = await self.account_deletion.deletion_times(addresses)
        await self.mailboxes.ensure(address for address in addresses if address not in former)
        newest = _newest(copies)
        closed: dict[str, Unavailable] = {}
        for address, deleted_at in former.items():
            accepted_at = newest.get(address)
            if accepted_at is not None and accepted_at <= deleted_at:
                closed[address] = "gone"
            elif (state := await self._look_up(address, deleted_at)) is not None:
                closed[address] = state
        return closed

    async def _look_up(self, address: str, deleted_at: datetime) -> Unavailable | None:
        try:
            made_at = await self.directory.made_at(address)
            if made_at is None:
                return "gone"
            if made_at <= deleted_at:
                return "unknown"
            await self.account_deletion.assign(address, made_at=made_at)
        except (Temporary, Permanent) as error:
            # Its mail waits; that of others in the same batch does not.
            log.warning("account_lookup_failed", mailbox=address, reason=error.reason)
            return "unknown"
        return None


def _newest(copies: Iterable[Copy]) -> Mapping[str, datetime]:
    """By mailbox; a copy whose moment is not known counts as newer than all."""
    newest: dict[str, datetime] = {}
    unknown = set()
    for copy in copies:
        if copy.accepted_at is None:
            unknown.add(copy.mailbox)
        else:
            newest[copy.mailbox] = max(newest.get(copy.mailbox, copy.accepted_at), copy.accepted_at)
    return {mailbox: moment for mailbox, moment in newest.items() if mailbox not in unknown}
