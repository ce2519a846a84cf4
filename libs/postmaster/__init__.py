"""Letters that the services write themselves: one composer, and one way in at ingress, like any other mail, each once.

`compose` writes a `Letter`, `libs.neighbours.IngressClient` sends it, `Notifications` reports what became of a message
(RFC 3464).
"""

from libs.postmaster.composer import Letter, compose, plain
from libs.postmaster.notifications import Notifications
from libs.postmaster.notify import (
    NotifyEvent,
    is_known_sender,
    is_notified,
    is_notified_of_failure,
    is_spam,
    notify_without_success,
    requests_notification,
)

__all__ = [
    "Letter",
    "Notifications",
    "NotifyEvent",
    "compose",
    "is_known_sender",
    "is_notified",
    "is_notified_of_failure",
    "is_spam",
    "notify_without_success",
    "plain",
    "requests_notification",
]
