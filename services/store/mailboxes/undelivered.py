"""Rules for undelivered mail: since when it waits, when it has waited too long, and what its bounce says."""

from __future__ import annotations

from datetime import datetime, timedelta

from libs.envelope import Envelope, Recipient, Temporary
from libs.mail.dsn import FailedRecipient

# RFC 3463 3.2, 3.3 and 3.5
NO_MAILBOX = "5.1.1"
MAILBOX_FULL = "5.2.2"
TIME_EXPIRED = "4.4.7"


class NotDelivered(Temporary):
    """`narrowed` has the recipients whose mailboxes have no copy.

    The mailboxes of `full` (by address) have no room; the accounts of `gone` were deleted, so that waiting is useless.
    """

    def __init__(
        self,
        reason: str,
        *,
        narrowed: Envelope | None = None,
        full: frozenset[str] = frozenset(),
        gone: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(reason, narrowed=narrowed)
        self.full = full
        self.gone = gone


def start_waiting(recipients: tuple[Recipient, ...], now: datetime) -> tuple[Recipient, ...]:
    """Return the recipients; those without a start of waiting wait from `now` on."""
    return tuple(
        recipient if recipient.waiting_since else recipient.model_copy(update={"waiting_since": now})
        for recipient in recipients
    )


def expired(recipients: tuple[Recipient, ...], now: datetime, give_up_after: timedelta) -> tuple[Recipient, ...]:
    """Return the recipients that have waited for `give_up_after` (RFC 5321 4.5.4.1: four or five days)."""
    return tuple(r for r in recipients if r.waiting_since is not None and now - r.waiting_since >= give_up_after)


def is_gone(recipient: Recipient, error: Temporary) -> bool:
    return isinstance(error, NotDelivered) and recipient.address in error.gone


def failed_recipient(recipient: Recipient, error: Temporary) -> FailedRecipient:
    """Report the recipient by the address that the sender used: targets of a local alias stay private."""
    status, diagnostic = TIME_EXPIRED, "the mailbox could not be reached for days"
    if is_gone(recipient, error):
        status, diagnostic = NO_MAILBOX, "the mailbox no longer exists"
    elif isinstance(error, NotDelivered) and recipient.address in error.full:
        status, diagnostic = MAILBOX_FULL, "the mailbox is full"
    return FailedRecipient(
        address=recipient.original or recipient.address,
        original=recipient.orcpt,
        status=status,
        diagnostic=diagnostic,
    )
