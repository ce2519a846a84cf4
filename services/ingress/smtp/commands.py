"""The SMTP commands. All have one shape: session and argument in, the reply out (None: it was sent already)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.smtp.auth import auth
from services.ingress.smtp.bdat import bdat
from services.ingress.smtp.data import data
from services.ingress.smtp.ehlo import ehlo, helo, starttls
from services.ingress.smtp.session import Session
from services.ingress.smtp.transaction import mail, rcpt

_HELP = Reply(214, "2.0.0", "See RFC 5321")
_NO_EXPN = replies.NOT_IMPLEMENTED.because("Mailing lists are not disclosed")

Run = Callable[[Session, str], Awaitable[Reply | None]]


@dataclass(frozen=True, slots=True)
class Command:
    """A verb.

    `pipelines`: other commands may follow in the same packet. `is_idle`: it does not bring a message forward.
    `is_last`: nothing follows it. `octets` is the longest line, CR LF included.
    """

    name: str
    run: Run
    pipelines: bool = True
    is_idle: bool = False
    is_last: bool = False
    octets: int = 512  # RFC 5321 4.5.3.1.4


def split_command(line: bytes) -> tuple[bytes, bytes]:
    """Return the verb in upper case, and the argument.

    White space around both is tolerated (RFC 5321 4.1.1), and so are runs of it and tabs.
    """
    line = line.strip(b" \t")
    verb, _, argument = line.partition(b" ")
    if b"\t" in verb:
        verb, _, argument = line.partition(b"\t")
    return verb.upper(), argument.lstrip(b" \t")


async def rset(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.5: abort the transaction."""
    if argument:
        return replies.BAD_ARGUMENTS
    session.end_transaction()
    return replies.OK


async def noop(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.9: any argument is ignored."""
    return replies.OK


async def vrfy(session: Session, argument: str) -> Reply:
    """RFC 5321 3.5.3: one answer for all addresses, so that it does not disclose which exist."""
    return replies.CANNOT_VERIFY if argument else replies.BAD_ARGUMENTS


async def expn(session: Session, argument: str) -> Reply:
    """RFC 5321 7.3: the members of a list are not disclosed."""
    return _NO_EXPN


async def help_(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.8: a pointer to the standard."""
    return _HELP


async def quit_(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.10: close the connection after the reply."""
    return replies.BAD_ARGUMENTS if argument else session.hang_up(replies.BYE)


# RFC 2920 3.1 says which commands may stand before others in one packet. To the 512 octets of RFC 5321 4.5.3.1.4
# extensions add theirs: RFC 1870 3, RFC 6152 2, RFC 6531 3.1, RFC 4954 4 and 5, RFC 3461 4.
COMMANDS: Mapping[bytes, Command] = {
    b"EHLO": Command("EHLO", ehlo, pipelines=False, is_idle=True),
    b"HELO": Command("HELO", helo, pipelines=False, is_idle=True),
    b"STARTTLS": Command("STARTTLS", starttls, pipelines=False),
    b"AUTH": Command("AUTH", auth, pipelines=False, octets=12288),
    b"MAIL": Command("MAIL", mail, octets=512 + 26 + 17 + 10 + 500 + 116),
    b"RCPT": Command("RCPT", rcpt, octets=512 + 500 + 36),
    b"DATA": Command("DATA", data, pipelines=False),
    b"BDAT": Command("BDAT", bdat),
    b"RSET": Command("RSET", rset, is_idle=True),
    b"NOOP": Command("NOOP", noop, is_idle=True),
    b"VRFY": Command("VRFY", vrfy, is_idle=True),
    b"EXPN": Command("EXPN", expn, is_idle=True),
    b"HELP": Command("HELP", help_, is_idle=True),
    b"QUIT": Command("QUIT", quit_, is_last=True),
}
