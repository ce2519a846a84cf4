"""The greeting: after the pause that unmasks early talkers, if one is set."""

from __future__ import annotations

from libs.lineserver import PeerTimeout
from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.smtp.session import Session


async def greet(session: Session) -> bool:
    """Send the greeting; False when the peer is refused before it (RFC 5321 3.1, 4.3.1)."""
    context = session.context
    if context.timeouts.greeting_delay:
        await _wait_in_silence(session, context.timeouts.greeting_delay)
    if session.connection.has_spoken():
        session.metrics.count_connection("early_talker")
        session.say(replies.TALKED_TOO_EARLY)
        return False
    session.say(Reply(220, "", f"{context.settings.hostname} ESMTP"))
    return True


async def _wait_in_silence(session: Session, seconds: float) -> None:
    """Return after `seconds`, or as soon as the peer sends something."""
    try:
        await session.connection.reader.wait(session.connection.loop.time() + seconds)
    except PeerTimeout:
        return
