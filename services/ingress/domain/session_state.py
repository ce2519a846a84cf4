"""The order of commands (RFC 5321 4.1.4, RFC 3207 4, RFC 4954 4): what a session knows, and what it may do next."""

from __future__ import annotations

from dataclasses import dataclass, field

from libs.envelope import Tls
from libs.envelope.model import Listener
from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.content import MessageContent
from services.ingress.domain.parameters import MailArguments
from services.ingress.domain.relaying import AcceptedRecipient, Login
from services.ingress.domain.timeouts import Progress


@dataclass(frozen=True, slots=True)
class ListenerProfile:
    """What a listener asks of its peers."""

    name: Listener
    port: int
    implicit_tls: bool = False
    needs_tls: bool = False
    offers_auth: bool = False
    needs_auth: bool = False


@dataclass(slots=True)
class Transaction:
    """From MAIL to the end of the message.

    `chunks` grows by BDAT, within the deadlines of `progress`; `failed` says that a chunk was refused.
    """

    mail: MailArguments
    mail_from: str
    recipients: dict[str, AcceptedRecipient] = field(default_factory=dict)
    chunks: MessageContent | None = None
    progress: Progress | None = None
    failed: bool = False

    @property
    def max_size_bytes(self) -> int:
        """What the least of its recipients takes."""
        return min(admitted.max_size_bytes for admitted in self.recipients.values())


@dataclass(slots=True)
class SessionState:
    """What a session knows of its peer."""

    helo: str = ""
    extended: bool = False
    tls: Tls | None = None
    login: Login | None = None
    transaction: Transaction | None = None

    @property
    def protocol(self) -> str:
        """The keyword for `Received` (RFC 3848, RFC 6531 4.3)."""
        if not self.extended:
            return "SMTP"
        utf8 = self.transaction is not None and self.transaction.mail.smtputf8
        return ("UTF8SMTP" if utf8 else "ESMTP") + ("S" if self.tls else "") + ("A" if self.login else "")

    def start_anew(self) -> None:
        """After STARTTLS nothing that was said before counts (RFC 3207 4.2)."""
        self.helo, self.extended, self.transaction = "", False, None


_HELO_FIRST = replies.BAD_SEQUENCE.because("Send EHLO first")
_MAIL_FIRST = replies.BAD_SEQUENCE.because("Send MAIL first")
_NESTED = replies.BAD_SEQUENCE.because("A transaction is open already")
_IN_CHUNKS = replies.BAD_SEQUENCE.because("Chunks are under way: BDAT or RSET")
_TWICE = replies.BAD_SEQUENCE.because("That was done already")
_NO_AUTH_HERE = replies.BAD_SEQUENCE.because("Authentication is not offered here, use the submission port")


def before_mail(state: SessionState, profile: ListenerProfile) -> Reply | None:
    """Why MAIL cannot come now."""
    if not state.helo:
        return _HELO_FIRST
    if profile.needs_tls and state.tls is None:
        return replies.TLS_REQUIRED
    if profile.needs_auth and state.login is None:
        return replies.AUTH_REQUIRED
    return _NESTED if state.transaction is not None else None


def before_rcpt(state: SessionState) -> Reply | None:
    """Why RCPT cannot come now."""
    if state.transaction is None:
        return _MAIL_FIRST if state.helo else _HELO_FIRST
    return _IN_CHUNKS if state.transaction.chunks is not None else None


def before_content(state: SessionState, *, chunked: bool) -> Reply | None:
    """Why DATA (or BDAT if `chunked`) cannot come now."""
    transaction = state.transaction
    if transaction is None:
        return _MAIL_FIRST if state.helo else _HELO_FIRST
    if transaction.failed:  # RFC 3030 2: until RSET
        return replies.BAD_SEQUENCE.because("A chunk was refused: send RSET")
    if transaction.chunks is not None and not chunked:
        return _IN_CHUNKS
    if not transaction.recipients:
        return replies.TRANSACTION_FAILED if chunked else replies.BAD_SEQUENCE.because("No valid recipients")
    return None


def before_starttls(state: SessionState, profile: ListenerProfile) -> Reply | None:
    """Why STARTTLS cannot come now."""
    if state.tls is not None or state.login is not None or profile.implicit_tls:
        return _TWICE
    return _NESTED if state.transaction is not None else None


def before_auth(state: SessionState, profile: ListenerProfile) -> Reply | None:
    """Why AUTH cannot come now."""
    if state.tls is None:
        return replies.ENCRYPTION_NEEDED
    if not profile.offers_auth:
        return _NO_AUTH_HERE
    if not state.helo:
        return _HELO_FIRST
    if state.login is not None:
        return _TWICE
    return _NESTED if state.transaction is not None else None
