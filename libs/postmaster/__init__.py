"""Letters that the services write themselves: one composer, and one way in at ingress, like any other mail, each once.

`compose` writes a `Letter`, `IngressPost` sends any message, `Notifications` tells what became of one (RFC 3464).
"""

from libs.postmaster.composer import Letter, compose, plain
from libs.postmaster.notifications import Notifications
from libs.postmaster.notify import News, hears, hears_of_failure, is_known, is_spam, wishes, without_success
from libs.postmaster.post import IngressPost

__all__ = [
    "IngressPost",
    "Letter",
    "News",
    "Notifications",
    "compose",
    "hears",
    "hears_of_failure",
    "is_known",
    "is_spam",
    "plain",
    "wishes",
    "without_success",
]
