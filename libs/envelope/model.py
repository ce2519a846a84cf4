"""The envelope: all that the cluster knows of a message besides its bytes."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1

# What this version knows. The fields themselves are open (`str`): a newer version beside this one may write another
# value, and that has to survive. A stage that acts on a value asks `understood` first.
Listener = Literal["mx", "submission", "submissions", "http", "internal"]
Action = Literal["none", "tag", "junk", "quarantine"]
ACTIONS: tuple[str, ...] = get_args(Action)


class Model(BaseModel):
    """Frozen, and unknown fields survive a hop: a rolling update mixes versions.

    JSON has no infinity: a score that is none would poison the frame, so it fails where it is made.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True)


class Tls(Model):
    """How a connection was encrypted, as the TLS library names it (`TLSv1.3`, `TLS_AES_256_GCM_SHA384`)."""

    version: str
    """Protocol version, for example `TLSv1.3`."""
    cipher: str
    """Cipher suite, for example `TLS_AES_256_GCM_SHA384`."""


class Peer(Model):
    """Who handed the message in. `protocol` is the RFC 3848 keyword for `Received` (`ESMTPSA`, `HTTP` ...).

    `relays` is set for a host that may relay without authentication: its senders are known, and hear of failures.
    """

    address: str = ""
    """IP address."""
    port: int = 0
    """TCP port."""
    helo: str = ""
    """Argument of EHLO or HELO."""
    reverse_name: str | None = None
    """Confirmed reverse name; null where there is none."""
    tls: Tls | None = None
    """Encryption of the connection; null for none."""
    account: str | None = None
    """Authenticated account; null for none."""
    protocol: str = "ESMTP"
    """Keyword of RFC 3848 (`ESMTPSA`), or `HTTP`."""
    relays: bool = False
    """Whether the host may relay without authentication."""


class Recipient(Model):
    """One address the message is for.

    `address` is where it goes now (the router rewrites it), `original` what the peer gave at RCPT. `domain` is our
    domain whose policy counts, empty when the recipient is elsewhere; `account` the mailbox of ours behind the address
    where there is exactly one. `orcpt` (decoded) and `notify` are the DSN wishes of RFC 3461. `purpose` is set where
    antispam takes the mail itself and nobody gets it (`honeypot`, `training`); `screened` says what greylisting did.
    `waiting_since` is the time of the first try at a mailbox that could not take the mail. `failure` is set by the
    router where the address leads nowhere: the sender is told, and no server is asked. `expanded` marks the one of the
    addresses behind a list or an alias with several that speaks for it: a success is told of `original`, once.
    `folder` (empty: the inbox) and `flags` are what a Sieve script decided for the mailbox (RFC 5228 4.1, RFC 5232).
    """

    address: str
    """Where the mail goes now."""
    original: str = ""
    """Address that the peer gave at RCPT."""
    domain: str = ""
    """Main domain whose policy counts; empty for an address elsewhere."""
    orcpt: str = ""
    """ORCPT of the DSN extension (RFC 3461 4.2), decoded."""
    notify: tuple[str, ...] = ()
    """NOTIFY of the DSN extension (RFC 3461 4.1)."""
    account: str = ""
    """The one mailbox behind the address; empty where there is none or several."""
    purpose: str = ""
    """What antispam takes the mail for (`honeypot`, `training`); empty for ordinary mail."""
    screened: str = ""
    """What greylisting did."""
    waiting_since: AwareDatetime | None = None
    """First attempt at a mailbox that could not take the mail; null for none."""
    failure: str = ""
    """Why the address leads nowhere; empty where it does not."""
    expanded: bool = False
    """Whether it speaks for a list or an alias with several targets."""
    folder: str = ""
    """Folder in which the mail is put; empty: decided at delivery."""
    flags: tuple[str, ...] = ()
    """Flags that the message gets."""


class Finding(Model):
    """What one engine or filter saw. It reports; policy decides (`Verdict`)."""

    stage: str
    """Stage of the cluster."""
    name: str
    """Name of the engine or filter, or of what it found."""
    outcome: str
    """What was found."""
    score: float = 0.0
    """What it adds to the score."""
    reason: str = ""
    """Why, for people."""
    ms: float = 0.0
    """Milliseconds that it took."""


class Verdict(Model):
    """What antispam decided for the recipients of one of our domains. `action` is an `Action`, or a newer one."""

    spam: bool
    """Whether the message is spam."""
    score: float
    """Sum of the scores."""
    required: float
    """Score from which a message is spam."""
    action: str = "none"
    """What becomes of the message: `none`, `tag`, `junk` or `quarantine`."""
    subject_prefix: str = ""
    """What is put before the subject; empty for nothing."""
    bayes: float | None = None
    """Probability of spam that the classifier gives, from 0 to 1; null where it gives none."""
    whitelisted: str = ""
    """Why the message is whitelisted; empty if it is not."""
    tests: tuple[Finding, ...] = ()
    """Findings with their scores."""


class Envelope(Model):
    """Shape of the JSON line on the queue. Times are UTC, sizes bytes.

    `ret` and `envid` (decoded) are DSN wishes of RFC 3461; `body_type` is `8BITMIME` where the peer said so (RFC 6152).
    `listener` is a `Listener`, or one of a newer version: that counts as mail of a stranger.
    `authentication` is what stands in `Authentication-Results` behind our name (RFC 8601 2.2), once it was asked.
    """

    schema_version: int = SCHEMA_VERSION
    """Version of this schema."""
    id: str
    """Id of the message in the cluster."""
    received_at: AwareDatetime
    """When the cluster received the message."""
    listener: str = "mx"
    """Listener that received it."""
    peer: Peer = Peer()
    """Who handed it in."""
    mail_from: str = ""
    """Envelope sender; empty for the null sender."""
    ret: str = ""
    """RET of the DSN extension (RFC 3461 4.3)."""
    envid: str = ""
    """ENVID of the DSN extension (RFC 3461 4.4), decoded."""
    smtputf8: bool = False
    """Whether SMTPUTF8 was asked for (RFC 6531)."""
    body_type: str = ""
    """`8BITMIME` where the peer said so (RFC 6152)."""
    recipients: tuple[Recipient, ...]
    """The recipients."""
    size_bytes: int
    """Size of the raw message."""
    sha256: str
    """SHA-256 of the raw message, in hex."""
    blob: str | None = None
    """Key of a large message in the blob store; null for a message in the frame."""
    findings: tuple[Finding, ...] = ()
    """What antivirus found."""
    verdicts: dict[str, Verdict] = Field(default_factory=dict)
    """Verdict of antispam by main domain of the recipients."""
    authentication: str | None = None
    """Authentication-Results behind the name of the cluster (RFC 8601 2.2); null before it was checked."""
    quarantine_reason: str = ""
    """Why the message goes to the quarantine; empty if it does not."""
    released: bool = False
    """Whether it was released from the quarantine."""

    def found(self, *findings: Finding) -> Envelope:
        """The same envelope with `findings` added."""
        return self.model_copy(update={"findings": (*self.findings, *findings)})

    def to(self, recipients: tuple[Recipient, ...]) -> Envelope:
        """The same envelope for `recipients` only."""
        return self.model_copy(update={"recipients": recipients})


@dataclass(frozen=True, slots=True)
class Mail:
    """An envelope with its raw RFC 5322 bytes. The bytes are never changed on their way.

    `content` is None where the bytes wait in the blob store and the handler did not ask for them.
    """

    envelope: Envelope
    content: bytes | memoryview | None

    @property
    def raw(self) -> bytes:
        """The message as it was received; asking for bytes that were not fetched is a bug in the handler table."""
        if self.content is None:
            raise LookupError(f"{self.envelope.id}: the handler did not ask for the raw message")
        return bytes(self.content)

    def with_envelope(self, envelope: Envelope) -> Mail:
        """The same bytes under another envelope."""
        return Mail(envelope, self.content)


def new_id(now: datetime) -> str:
    """A time-ordered id: UUID version 7 (RFC 9562 5.7) as 32 hex digits; monotonic within a process."""
    return f"{_sequence.next(int(now.timestamp() * 1000)):032x}"


class _Sequence:
    """Hands out UUIDv7 numbers. A clock that jumps back never makes a smaller one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = 0
        self._counter = 0

    def next(self, milliseconds: int) -> int:
        with self._lock:
            if milliseconds > self._last_ms:
                self._last_ms, self._counter = milliseconds, 0
            else:
                # RFC 9562 6.2, method 1: a 12-bit counter in rand_a; it borrows from the next millisecond.
                self._counter += 1
                if self._counter > 0xFFF:
                    self._last_ms, self._counter = self._last_ms + 1, 0
            head = (self._last_ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | self._counter << 64
        return head | 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2


_sequence = _Sequence()


def utc_now() -> datetime:
    """The wall clock, in UTC, for everything that is shown or stored (durations use the monotonic clock)."""
    return datetime.now(UTC)
