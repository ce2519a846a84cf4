"""Neighbours of the mailboxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from libs.envelope import Envelope
from libs.mail.dsn import FailedRecipient


class MailboxLimits(Protocol):
    """The quota service, which owns the limits of mailboxes."""

    async def of(self, addresses: Iterable[str]) -> Mapping[str, int | None]:
        """Return the limit of each mailbox in bytes, None where there is none or it is not known. Never raises."""

    def forget(self, address: str) -> None:
        """The limit of an address, or of all addresses in `@domain`, has changed: ask again."""


class AccountDirectory(Protocol):
    """The router, which owns the accounts."""

    async def made_at(self, address: str) -> datetime | None:
        """Return when the present account of `address` was created, None without an account. Raises `Temporary`."""


class DsnSender(Protocol):
    """Sends delivery status notifications (RFC 3464) to the envelope sender."""

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        """Idempotent. Raises `Temporary`, or `Permanent` when the notification is refused for good."""
