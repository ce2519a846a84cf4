"""The state of a session, and the order of commands (RFC 5321 4.1.4, RFC 3207 4, RFC 4954 4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from libs.envelope import Tls
from libs.envelope.model import Listener
from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.content import IncomingContent
from services.ingress.domain.parameters import MailArguments
from services.ingress.domain.relaying import AcceptedRecipient, Login
from services.ingress.domain.timeouts import Progress


@dataclass(frozen=True, slots=True)
class ListenerProfile:
    """What a listener requires of its peers."""

    name: Listener
    port: int
    implicit_tls: bool = False
    needs_tls: bool = False
    offers_auth: bool = False
    needs_auth: bool = False


@dataclass(slots=True)
class Transaction:
    """A mail transaction, from MAIL to the end of the message (RFC 5321 3.3).

    `chunks` is what BDAT received so far, within the deadlines of `progress`; `failed`: a chunk was refused.
    """

    mail: MailArguments
    mail_from: str
    recipients: dict[str, AcceptedRecipient] = field(default_factory=dict)
    chunks: IncomingContent | None = None
    progress: Progress | None = None
    failed: bool = False

    @property
    def max_size_bytes(self) -> int:
        """Return the smallest limit of its recipients."""
        return min(admitted.max_size_bytes for admitted in self.recipients.values())


@dataclass(slots=True)
class SessionState:
    """What the peer said and proved so far."""

    helo: str = ""
    extended: bool = False
    tls: Tls | None = None
    login: Login | None = None
    transaction: Transaction | None = None

    @property
    def protocol(self) -> str:
        """Return the keyword for the Received field (RFC 3848, RFC 6531 4.3)."""
        if not self.extended:
            return "SMTP"
        utf8 = self.transaction is not None and self.transaction.mail.smtputf8
        return ("UTF8SMTP" if utf8 else "ESMTP") + ("S" if self.tls else "") + ("A" if self.login else "")

    def start_anew(self) -> None:
        """Forget what was said before STARTTLS (RFC 3207 4.2)."""
        self.helo, self.extended, self.transaction = "", False, None


_HELO_FIRST = replies.BAD_SEQUENCE.because("Send EHLO first")
_MAIL_FIRST = replies.BAD_SEQUENCE.because("Send MAIL first")
_TRANSACTION_OPEN = replies.BAD_SEQUENCE.because("A transaction is already open")
_BDAT_IN_PROGRESS = replies.BAD_SEQUENCE.because("BDAT chunks are in progress: send BDAT or RSET")
_ALREADY_DONE = replies.BAD_SEQUENCE.because("That is already done")
_NO_AUTH_HERE = replies.BAD_SEQUENCE.because("Authentication is not offered here, use the submission port")


def before_mail(state: SessionState, profile: ListenerProfile) -> Reply | None:
    """Return why MAIL is not possible now."""
    if not state.helo:
        return _HELO_FIRST
    if profile.needs_tls and state.tls is None:
        return replies.TLS_REQUIRED
    if profile.needs_auth and state.login is None:
        return replies.AUTH_REQUIRED
    return _TRANSACTION_OPEN if state.transaction is not None else None


def before_rcpt(state: SessionState) -> Reply | None:
    """Return why RCPT is not possible now."""
    if state.transaction is None:
        return _MAIL_FIRST if state.helo else _HELO_FIRST
    return _BDAT_IN_PROGRESS if state.transaction.chunks is not None else None


def before_content(state: SessionState, *, chunked: bool) -> Reply | None:
    """Return why DATA (or BDAT if `chunked`) is not possible now."""
    transaction = state.transaction
    if transaction is None:
        return _MAIL_FIRST if state.helo else _HELO_FIRST
    if transaction.failed:  # RFC 3030 2: until RSET
        return replies.BAD_SEQUENCE.because("A chunk was refused: send RSET")
    if transaction.chunks is not None and not chunked:
        return _BDAT_IN_PROGRESS
    if not transaction.recipients:
        return replies.TRANSACTION_FAILED if chunked else replies.BAD_SEQUENCE.because("No valid recipients")
    return None


def before_starttls(state: SessionState, profile: ListenerProfile) -> Reply | None:
    """Return why STARTTLS is not possible now."""
    if state.tls is not None or state.login is not None or profile.implicit_tls:
        return _ALREADY_DONE
    return _TRANSACTION_OPEN if state.transaction is not None else None


def before_auth(state: SessionState, profile: ListenerProfile) -> Reply | None:
    """Return why AUTH is not possible now."""
    if state.tls is None:
        return replies.ENCRYPTION_NEEDED
    if not profile.offers_auth:
        return _NO_AUTH_HERE
    if not state.helo:
        return _HELO_FIRST
    if state.login is not None:
        return _ALREADY_DONE
    return _TRANSACTION_OPEN if state.transaction is not None else None
