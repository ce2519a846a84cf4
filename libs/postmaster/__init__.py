"""Messages that the services send themselves, through ingress like any other mail, each once.

`compose` writes a `Letter`, `Notifications` sends delivery status notifications (RFC 3464).
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
