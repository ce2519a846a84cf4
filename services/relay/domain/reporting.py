"""Who hears of a failure, a delay or a success: nothing that was accepted ends without somebody who knows of it.

The sender, where it is known not to be forged (RFC 5321 6.1 and RFC 3834 4: no backscatter). Else the owner of the
forward of ours that led to the recipient. Else an operator, to whom the message waits as a dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.envelope import Envelope, Recipient
from libs.mail.dsn import DsnAction, FailedRecipient
from libs.postmaster import NotifyEvent, is_known_sender, is_notified, is_spam, requests_notification


class Event(StrEnum):
    """What there is to hear of. `relayed`: a server took it that does not report by itself (RFC 3461 5.2.2)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"


class ReportTarget(StrEnum):
    """How it is told."""

    SENDER = "sender"
    OWNER = "owner"
    DEAD_LETTER = "dead letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What must still be told of one entry. `group` names those that are told by one letter."""

    event: Event
    target: ReportTarget
    status: str
    text: str
    server: str = ""
    attempts: int = 0
    created_at: datetime
    group: str = ""


_NEWS = {Event.FAILED: NotifyEvent.FAILURE, Event.DELAYED: NotifyEvent.DELAY, Event.RELAYED: NotifyEvent.SUCCESS}
_ACTIONS = {Event.FAILED: DsnAction.FAILED, Event.DELAYED: DsnAction.DELAYED, Event.RELAYED: DsnAction.RELAYED}
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)


def report_target(envelope: Envelope, recipient: Recipient, event: Event) -> ReportTarget | None:
    """None when nobody is to hear of it, because that is what was asked for, or because it is not the end."""
    if is_notified(envelope, recipient, _NEWS[event], elsewhere=True):
        return ReportTarget.SENDER
    if event is not Event.FAILED or (
        is_known_sender(envelope) and not requests_notification(recipient, NotifyEvent.FAILURE)
    ):
        return None
    return ReportTarget.OWNER if _has_owner(envelope, recipient) else ReportTarget.DEAD_LETTER


def reported(recipient: Recipient, report: Report) -> FailedRecipient:
    """What a letter says of `recipient`."""
    is_list = recipient.expanded and report.event is Event.RELAYED
    return FailedRecipient(
        # RFC 3461 5.2.7.2: of the members of a list a success tells nothing.
        address=recipient.original if is_list else recipient.address,
        original=recipient.orcpt,
        action=DsnAction.EXPANDED if is_list else _ACTIONS[report.event],
        status=report.status,
        diagnostic="" if is_list else report.text,
        remote_mta="" if is_list else report.server,
    )


def pause(attempts: int) -> timedelta:
    """Before a report is tried again."""
    return min(FIRST_PAUSE * (1 << min(attempts, 10)), LONGEST_PAUSE)


def _has_owner(envelope: Envelope, recipient: Recipient) -> bool:
    """The mailbox behind the address that forwards. No notice of a notice, nor of spam: these would come in numbers."""
    led_here = bool(recipient.original) and recipient.original.lower() != recipient.address.lower()
    return bool(recipient.account and envelope.mail_from) and led_here and not is_spam(envelope, recipient)
