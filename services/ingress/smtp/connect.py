"""From the connection to the greeting: who is there, under TLS if need be, and does it wait for its turn?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from libs.mail import replies
from libs.mail.replies import Reply
from libs.network import plain
from services.ingress.domain.proxy_header import BadHeader, parse
from services.ingress.smtp.line_reader import Silent

if TYPE_CHECKING:
    from services.ingress.smtp.session import Session


async def welcome(session: Session) -> bool:
    """Greet; False when the peer is sent away before that (RFC 5321 3.1, 4.3.1)."""
    connection, site = session.connection, session.site
    if session.door.is_balancer(session.address) and not await _unwrap(session):
        return False
    if session.profile.implicit_tls:
        await session.encrypt(from_start=True)
    if site.pace.greet:
        await _keep_quiet(session, site.pace.greet)
    if connection.has_spoken():
        session.metrics.session("early talker")
        session.say(replies.TALKED_TOO_EARLY)
        return False
    session.say(Reply(220, "", f"{site.settings.hostname} ESMTP"))
    return True


async def _unwrap(session: Session) -> bool:
    """Learn who the peer behind the balancer is; False when it is turned away."""
    connection, door = session.connection, session.door
    deadline = connection.loop.time() + session.site.pace.command
    try:
        while (header := parse(connection.intake.peek(connection.intake.pending))) is None:
            await connection.intake.more(deadline)
    except BadHeader:
        session.metrics.session("bad PROXY header")
        connection.abort()
        return False
    connection.intake.take(header.octets)
    if header.source is None:  # the balancer itself, looking whether we live
        return True
    session.locate(plain(header.source[0]), header.source[1])
    refusal = door.recognise(session)
    if refusal is not None:
        door.turn_away(connection, refusal)
    return refusal is None


async def _keep_quiet(session: Session, seconds: float) -> None:
    try:
        await session.connection.intake.more(session.connection.loop.time() + seconds)
    except Silent:
        return
