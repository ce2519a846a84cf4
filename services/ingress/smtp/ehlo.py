"""EHLO, HELO and STARTTLS."""

from __future__ import annotations

import re

from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.session_state import before_starttls
from services.ingress.smtp.session import Session

# Wider than RFC 5321 4.1.2: hosts greet with underscores and worse. Nothing that could end a comment or a phrase in
# the Received field is allowed.
_NAME = re.compile(r"""[^\x00-\x20"(),;<>@\\\x7f-\U0010ffff]{1,255}""")
_BAD_NAME = replies.BAD_ARGUMENTS.because("A host name or an address literal is required")
_EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING")


async def ehlo(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.1: greet, and announce the extensions."""
    if not _NAME.fullmatch(argument):
        return _BAD_NAME
    _begin_session(session, argument, extended=True)
    offers = [*_EXTENSIONS, f"SIZE {session.context.settings.largest_message_bytes}"]
    if session.state.tls is None:
        offers.append("STARTTLS")
    elif session.profile.offers_auth and session.state.login is None:
        offers.append("AUTH PLAIN LOGIN")
    return Reply(250, "", "\n".join([session.context.settings.hostname, *offers]))


async def helo(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.1: greet without extensions."""
    if not _NAME.fullmatch(argument):
        return _BAD_NAME
    _begin_session(session, argument, extended=False)
    return Reply(250, "", session.context.settings.hostname)


async def starttls(session: Session, argument: str) -> Reply | None:
    """RFC 3207 4: start TLS.

    A peer that pipelined anything behind the command was disconnected before (`Command.pipelines`).
    """
    if argument:
        return replies.BAD_ARGUMENTS
    if problem := before_starttls(session.state, session.profile):
        return problem
    session.say(replies.START_TLS)
    await session.start_tls()
    session.state.start_anew()
    return None


def _begin_session(session: Session, name: str, *, extended: bool) -> None:
    session.end_transaction()
    session.state.helo = name
    session.state.extended = extended
