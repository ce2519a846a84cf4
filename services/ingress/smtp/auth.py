"""AUTH PLAIN and LOGIN (RFC 4954, RFC 4616), under TLS only."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode

from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.refusal import CommandRefused
from services.ingress.domain.session_state import before_auth
from services.ingress.smtp.session import Session

_MAX_OCTETS = 1024  # of a login or a password, since Argon2 hashes all of it
_LINE = 12288  # RFC 4954 4
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_BASE64 = replies.BAD_CHARACTERS.because("Invalid base64")
_BAD_FORM = replies.BAD_ARGUMENTS.because("Malformed credentials")
_TOO_OFTEN = Reply(421, "4.7.0", "Too many failed attempts, closing connection")


async def auth(session: Session, argument: str) -> Reply:
    """RFC 4954 4: authenticate the peer."""
    if problem := before_auth(session.state, session.profile):
        return problem
    mechanism, initial, *_ = (*argument.split(maxsplit=1), "", "")
    match mechanism.upper():
        case "PLAIN":
            login, password = await _plain(session, initial)
        case "LOGIN":
            login, password = await _login(session, initial)
        case _:
            return replies.AUTH_MECHANISM_UNKNOWN
    return await _check(session, login, password)


async def _check(session: Session, login: str, password: str) -> Reply:
    try:
        found = await session.context.authenticator.check(login, password, session.peer_key)
    except CommandRefused as refused:
        session.metrics.authenticated(refused.reason)
        session.auth_failures += 1
        if session.auth_failures >= session.context.settings.auth_failures_per_session:
            session.say(refused.reply)
            return session.hang_up(_TOO_OFTEN)
        raise
    session.metrics.authenticated("succeeded")
    session.log_in(found)
    return replies.AUTHENTICATED


async def _plain(session: Session, initial: str) -> tuple[str, str]:
    """RFC 4616 2: authorization identity NUL login NUL password, the first empty or the same as the login."""
    octets = _decoded(initial) if initial else await _ask(session, b"")
    parts = octets.split(b"\0")
    if len(parts) != 3 or parts[0] not in (b"", parts[1]):
        raise CommandRefused(_BAD_FORM)
    return _text(parts[1]), _text(parts[2])


async def _login(session: Session, initial: str) -> tuple[str, str]:
    """Ask for login and password (draft-murchison-sasl-login): never standardised, but every client has it."""
    login = _decoded(initial) if initial else await _ask(session, b"Username:")
    return _text(login), _text(await _ask(session, b"Password:"))


async def _ask(session: Session, challenge: bytes) -> bytes:
    session.say(Reply(334, "", b64encode(challenge).decode()))
    line = (await session.read_line(_LINE)).strip(b" \t")
    if line == b"*":
        raise CommandRefused(replies.AUTH_CANCELLED)
    try:
        return _decoded(line.decode("ascii"))
    except UnicodeDecodeError:
        raise CommandRefused(_BAD_BASE64) from None


def _decoded(text: str) -> bytes:
    """Decode base64; `=` alone is the empty response (RFC 4954 4)."""
    try:
        return b"" if text == "=" else b64decode(text, validate=True)
    except ValueError:  # binascii.Error is one, and so is the error for text that is not ASCII
        raise CommandRefused(_BAD_BASE64) from None


def _text(octets: bytes) -> str:
    """Decode a login or password (RFC 4616 2): not empty, not too long, UTF-8 without control characters."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise CommandRefused(_BAD_FORM) from None
    if not text or len(octets) > _MAX_OCTETS or _CONTROL.search(text):
        raise CommandRefused(_BAD_FORM)
    return text
