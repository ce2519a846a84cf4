"""The rule of who is notified about a message (RFC 3461), for every service that sends notifications.

The null sender is never notified (RFC 5321 4.5.5), nor a sender that did not ask (RFC 3461 4.1: without NOTIFY it gets
failures and delays, not successes). Beyond that, a notification to a forged sender is backscatter (RFC 3834 4), so that
the rule depends on how likely that is:
- *success*: every sender whose mail is neither spam nor has failed SPF. A server that offers DSN serves strangers as
  well (RFC 3461 5.2.2), and mail that reached an inbox has passed all checks for forgery.
- *failure at a local mailbox*: the same senders. A full mailbox says nothing about the mail, and RFC 5321 6.1 obliges
  the server that accepted it to notify.
- *failure or delay at another server*: known senders only (authenticated, HTTP submitters, hosts that may relay). Mail
  that another server refuses behind a forward is mostly spam that was not recognised here, under a forged sender. It
  becomes a dead letter.
"""

from __future__ import annotations

import re
from enum import StrEnum

from libs.envelope import Envelope, Recipient

_UNASKED = frozenset({"FAILURE", "DELAY"})  # RFC 3461 4.1: without NOTIFY
_SPF_FAILED = re.compile(r"(?:^|;)\s*spf=(?:hard)?fail\b", re.IGNORECASE)


class NotifyEvent(StrEnum):
    """The events of NOTIFY (RFC 3461 4.1)."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


def is_notified(envelope: Envelope, recipient: Recipient, news: NotifyEvent, *, elsewhere: bool = False) -> bool:
    """Return whether the envelope sender is notified. `elsewhere`: another server decided on the mail."""
    if not envelope.mail_from or not requests_notification(recipient, news):
        return False
    if elsewhere and news is not NotifyEvent.SUCCESS:
        return is_known_sender(envelope)
    return not is_spam(envelope, recipient) and not _failed_spf(envelope)


def is_notified_of_failure(envelope: Envelope, recipient: Recipient) -> bool:
    """Return whether the envelope sender is notified that the local `recipient` did not get the mail."""
    return is_notified(envelope, recipient, NotifyEvent.FAILURE)


def requests_notification(recipient: Recipient, news: NotifyEvent) -> bool:
    """Return whether NOTIFY, or its absence, asks for `news`."""
    if not recipient.notify:
        return news in _UNASKED
    return any(word.upper() == news for word in recipient.notify)


def is_spam(envelope: Envelope, recipient: Recipient) -> bool:
    """Return whether the domain of `recipient` judged the mail as spam and it was not released from the quarantine."""
    verdict = envelope.verdicts.get(recipient.domain)
    return verdict is not None and verdict.spam and not envelope.released


def notify_without_success(notify: tuple[str, ...]) -> tuple[str, ...]:
    """Remove SUCCESS from NOTIFY. The rest is NEVER if it is empty: without NOTIFY, failures would be reported."""
    return tuple(word for word in notify if word.upper() != NotifyEvent.SUCCESS) or ("NEVER",)


def is_known_sender(envelope: Envelope) -> bool:
    """Return whether the sender is known: authenticated, a submitter by HTTP, or a host that may relay."""
    if not envelope.mail_from:
        return False
    return envelope.peer.account is not None or envelope.peer.relays or envelope.listener == "http"


def _failed_spf(envelope: Envelope) -> bool:
    """Return whether SPF failed (RFC 7208 2.6.4) and the mail was not released from the quarantine."""
    return not envelope.released and _SPF_FAILED.search(envelope.authentication or "") is not None
