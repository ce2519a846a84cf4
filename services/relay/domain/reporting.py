"""Decides who is told of a failure, a delay or a success, so that no accepted message is lost silently.

The sender is told where it is known not to be forged (RFC 5321 6.1 and RFC 3834 4: no backscatter), else the owner of
the local forward that led to the recipient, else an operator, for whom the message becomes a dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.envelope import Envelope, Recipient
from libs.mail.dsn import DsnAction, FailedRecipient
from libs.postmaster import NotifyEvent, is_known_sender, is_notified, is_spam, requests_notification


class ReportEvent(StrEnum):
    """The event to report. `relayed`: a server without DSN support accepted the message (RFC 3461 5.2.2)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"


class ReportTarget(StrEnum):
    """Who is told."""

    SENDER = "sender"
    OWNER = "owner"
    DEAD_LETTER = "dead letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """A pending report for one entry. Reports of one `group` are sent in one notification."""

    event: ReportEvent
    target: ReportTarget
    status: str
    text: str
    server: str = ""
    attempts: int = 0
    created_at: datetime
    group: str = ""


_NEWS = {
    ReportEvent.FAILED: NotifyEvent.FAILURE,
    ReportEvent.DELAYED: NotifyEvent.DELAY,
    ReportEvent.RELAYED: NotifyEvent.SUCCESS,
}
_ACTIONS = {
    ReportEvent.FAILED: DsnAction.FAILED,
    ReportEvent.DELAYED: DsnAction.DELAYED,
    ReportEvent.RELAYED: DsnAction.RELAYED,
}
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)


def report_target(envelope: Envelope, recipient: Recipient, event: ReportEvent) -> ReportTarget | None:
    """Who is told of `event`; None when no report was requested, or when the event is not final."""
    if is_notified(envelope, recipient, _NEWS[event], elsewhere=True):
        return ReportTarget.SENDER
    if event is not ReportEvent.FAILED or (
        is_known_sender(envelope) and not requests_notification(recipient, NotifyEvent.FAILURE)
    ):
        return None
    return ReportTarget.OWNER if _has_owner(envelope, recipient) else ReportTarget.DEAD_LETTER


def reported(recipient: Recipient, report: DeliveryReport) -> FailedRecipient:
    """The fields of a notification for `recipient`."""
    is_list = recipient.expanded and report.event is ReportEvent.RELAYED
    return FailedRecipient(
        # RFC 3461 5.2.7.2: a success report of a list does not reveal its members.
        address=recipient.original if is_list else recipient.address,
        original=recipient.orcpt,
        action=DsnAction.EXPANDED if is_list else _ACTIONS[report.event],
        status=report.status,
        diagnostic="" if is_list else report.text,
        remote_mta="" if is_list else report.server,
    )


def pause(attempts: int) -> timedelta:
    """The pause before a report is tried again."""
    return min(FIRST_PAUSE * (1 << min(attempts, 10)), LONGEST_PAUSE)


def _has_owner(envelope: Envelope, recipient: Recipient) -> bool:
    """Whether a local mailbox owns the forward. Notifications and spam are too many to be reported."""
    led_here = bool(recipient.original) and recipient.original.lower() != recipient.address.lower()
    return bool(recipient.account and envelope.mail_from) and led_here and not is_spam(envelope, recipient)
