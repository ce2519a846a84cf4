"""Letters that the services write themselves: one composer, and one way in at ingress, like any other mail, each once.

`compose` writes a `Letter`, `IngressPost` sends any message, `Notifications` tells what became of one (RFC 3464).
"""

from libs.letters.composing import Letter, compose, plain
from libs.letters.hearing import hears_of_failure
from libs.letters.notifications import Notifications
from libs.letters.post import IngressPost

__all__ = ["IngressPost", "Letter", "Notifications", "compose", "hears_of_failure", "plain"]
