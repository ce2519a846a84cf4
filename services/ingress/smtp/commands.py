"""The verbs that we know. All have one shape: session and argument in, the reply out (None: it is said already)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from libs.mail.replies import Reply
from services.ingress.smtp.auth import auth
from services.ingress.smtp.bdat import bdat
from services.ingress.smtp.data import data
from services.ingress.smtp.ehlo import ehlo, helo, starttls
from services.ingress.smtp.others import expn, help_, noop, quit_, rset, vrfy
from services.ingress.smtp.transaction import mail, rcpt

if TYPE_CHECKING:
    from services.ingress.smtp.session import Session

Run = Callable[["Session", str], Awaitable[Reply | None]]


@dataclass(frozen=True, slots=True)
class Command:
    """`pipelines`: what follows may be there already. `is_idle`: it brings no mail forward. `is_last`: nothing follows.

    `octets` is the longest line, CR LF included.
    """

    name: str
    run: Run
    pipelines: bool = True
    is_idle: bool = False
    is_last: bool = False
    octets: int = 512  # RFC 5321 4.5.3.1.4


def parted(line: bytes) -> tuple[bytes, bytes]:
    """Verb in upper case, argument. White space around both is tolerated (RFC 5321 4.1.1), runs and tabs of it too."""
    line = line.strip(b" \t")
    verb, _, argument = line.partition(b" ")
    if b"\t" in verb:
        verb, _, argument = line.partition(b"\t")
    return verb.upper(), argument.lstrip(b" \t")


# RFC 2920 3.1 says which commands may stand before others in one packet. To the 512 octets of RFC 5321 4.5.3.1.4
# extensions add theirs: RFC 1870 3, 6152 2, 6531 3.1, 4954 4 and 5, 3461 4.
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
