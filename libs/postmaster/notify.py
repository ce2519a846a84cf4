"""The one rule of who hears what became of a message (RFC 3461), used by every service that tells.

The null sender is never told (RFC 5321 4.5.5), nor a sender that did not ask (RFC 3461 4.1: without NOTIFY it hears of
failures and delays, not of successes). Beyond that, a notification to a forged sender is backscatter
(RFC 3834 4), so that the rule asks how likely that is:

- *success*: every sender whose mail is neither spam nor has failed SPF. A server that offers DSN honours the wish of a
  stranger as well (RFC 3461 5.2.2), and mail that reached an inbox has passed all that finds forgeries.
- *failure at a mailbox of ours*: the same senders. A full mailbox says nothing about the mail, and RFC 5321 6.1 obliges
  who accepted it to tell.
- *failure or delay at another server*: known senders only (signed in, HTTP submitters, hosts that may relay). What
  another server refuses behind a forward is mostly spam that was not recognised here, under a forged sender. An
  operator finds it as a dead letter.
"""

from __future__ import annotations

import re
from enum import StrEnum

from libs.envelope import Envelope, Recipient

_UNASKED = frozenset({"FAILURE", "DELAY"})  # RFC 3461 4.1: without NOTIFY
_SPF_FAILED = re.compile(r"(?:^|;)\s*spf=(?:hard)?fail\b", re.IGNORECASE)


class NotifyEvent(StrEnum):
    """What there is to hear of, in the words of NOTIFY (RFC 3461 4.1)."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


def is_notified(envelope: Envelope, recipient: Recipient, news: NotifyEvent, *, elsewhere: bool = False) -> bool:
    """Whether the envelope sender is told. `elsewhere`: another server decided over the mail."""
    if not envelope.mail_from or not requests_notification(recipient, news):
        return False
    if elsewhere and news is not NotifyEvent.SUCCESS:
        return is_known_sender(envelope)
    return not is_spam(envelope, recipient) and not _failed_spf(envelope)


def is_notified_of_failure(envelope: Envelope, recipient: Recipient) -> bool:
    """Whether the envelope sender is told that `recipient`, who is one of ours, did not get the mail."""
    return is_notified(envelope, recipient, NotifyEvent.FAILURE)


def requests_notification(recipient: Recipient, news: NotifyEvent) -> bool:
    """Whether NOTIFY, or its absence, asks for `news`."""
    if not recipient.notify:
        return news in _UNASKED
    return any(word.upper() == news for word in recipient.notify)


def is_spam(envelope: Envelope, recipient: Recipient) -> bool:
    """By the verdict of the domain of `recipient`, unless a person has found that it is none."""
    verdict = envelope.verdicts.get(recipient.domain)
    return verdict is not None and verdict.spam and not envelope.released


def notify_without_success(notify: tuple[str, ...]) -> tuple[str, ...]:
    """NOTIFY without SUCCESS. Who wanted nothing else hears of nothing: absent, it would ask for failures."""
    return tuple(word for word in notify if word.upper() != NotifyEvent.SUCCESS) or ("NEVER",)


def is_known_sender(envelope: Envelope) -> bool:
    """Whether the sender is one of ours: signed in, a submitter by HTTP, or a host that may relay."""
    if not envelope.mail_from:
        return False
    return envelope.peer.account is not None or envelope.peer.relays or envelope.listener == "http"


def _failed_spf(envelope: Envelope) -> bool:
    """The domain of the sender disowns it (RFC 7208 2.6.4), and no person has released the mail."""
    return not envelope.released and _SPF_FAILED.search(envelope.authentication or "") is not None
