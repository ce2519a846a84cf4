"""The small commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libs.mail import replies
from libs.mail.replies import Reply

if TYPE_CHECKING:
    from services.ingress.smtp.session import Session

_HELP = Reply(214, "2.0.0", "See RFC 5321")
_NO_EXPN = replies.NOT_IMPLEMENTED.because("Lists are not told")


async def rset(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.5."""
    if argument:
        return replies.BAD_ARGUMENTS
    session.end_transaction()
    return replies.OK


async def noop(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.9: any argument is ignored."""
    return replies.OK


async def vrfy(session: Session, argument: str) -> Reply:
    """RFC 5321 3.5.3: the same for everybody, so that nobody learns who exists."""
    return replies.CANNOT_VERIFY if argument else replies.BAD_ARGUMENTS


async def expn(session: Session, argument: str) -> Reply:
    """RFC 5321 7.3: not for strangers."""
    return _NO_EXPN


async def help_(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.8."""
    return _HELP


async def quit_(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.10."""
    return replies.BAD_ARGUMENTS if argument else session.hang_up(replies.BYE)
