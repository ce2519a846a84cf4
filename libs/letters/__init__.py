"""Letters that we write ourselves: how services hand them in at ingress, like any other mail, each once.

`IngressPost` sends any letter, `Notifications` what became of a message (RFC 3464).
"""

from libs.letters.notifications import Notifications
from libs.letters.post import IngressPost

__all__ = ["IngressPost", "Notifications"]
