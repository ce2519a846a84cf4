"""Who hears of a failure, a delay or a success: nothing that was accepted ends without somebody who knows of it.

The sender, where it is known not to be forged (RFC 5321 6.1 and RFC 3834 4: no backscatter). Else the owner of the
forward of ours that led to the recipient. Else an operator, to whom the message waits as a dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.envelope import Envelope, Recipient
from libs.mail.dsn import Action, FailedRecipient


class Event(StrEnum):
    """What there is to hear of. `relayed`: a server took it that does not report by itself (RFC 3461 5.2.2)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"


class Way(StrEnum):
    """How it is told."""

    SENDER = "sender"
    OWNER = "owner"
    DEAD_LETTER = "dead letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What must still be told of one entry. `group` names those that are told by one letter."""

    event: Event
    way: Way
    status: str
    text: str
    server: str = ""
    attempts: int = 0
    created_at: datetime
    group: str = ""


_WISHES = {Event.FAILED: "FAILURE", Event.DELAYED: "DELAY", Event.RELAYED: "SUCCESS"}
_ACTIONS = {Event.FAILED: Action.FAILED, Event.DELAYED: Action.DELAYED, Event.RELAYED: Action.RELAYED}
_UNASKED = frozenset({"FAILURE", "DELAY"})  # RFC 3461 4.1: without NOTIFY
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)


def way_of(envelope: Envelope, recipient: Recipient, event: Event) -> Way | None:
    """None when nobody is to hear of it, because that is what was asked for, or because it is not the end."""
    if _is_known(envelope):
        wished = {word.upper() for word in recipient.notify} or _UNASKED
        return Way.SENDER if _WISHES[event] in wished else None
    if event is not Event.FAILED:
        return None
    return Way.OWNER if _has_owner(envelope, recipient) else Way.DEAD_LETTER


def reported(recipient: Recipient, report: Report) -> FailedRecipient:
    """What a letter says of `recipient`."""
    return FailedRecipient(
        address=recipient.address,
        original=recipient.orcpt,
        action=_ACTIONS[report.event],
        status=report.status,
        diagnostic=report.text,
        remote_mta=report.server,
    )


def pause(attempts: int) -> timedelta:
    """Before a report is tried again."""
    return min(FIRST_PAUSE * (1 << min(attempts, 10)), LONGEST_PAUSE)


def _is_known(envelope: Envelope) -> bool:
    """Signed in, a service or program that submits by HTTP, or a host in our relay networks."""
    if not envelope.mail_from:
        return False  # RFC 5321 4.5.5: the null sender is never answered
    return envelope.peer.account is not None or envelope.peer.relays or envelope.listener == "http"


def _has_owner(envelope: Envelope, recipient: Recipient) -> bool:
    """The mailbox behind the address that forwards. No notice of a notice, nor of spam: these would come in numbers."""
    verdict = envelope.verdicts.get(recipient.domain)
    is_spam = verdict is not None and verdict.spam and not envelope.released
    led_here = bool(recipient.original) and recipient.original.lower() != recipient.address.lower()
    return bool(recipient.account and envelope.mail_from) and led_here and not is_spam
