"""Messages of a mailbox: each copy has its own flags, UID and date, and shares its body with other copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from libs.mail.dates import read_date
from libs.mail.encoded_words import decode_words
from libs.mail.headers import Headers
from libs.mail.render import Edit

MAX_FIELD = 1000  # characters of a header kept for lists and searches


@dataclass(frozen=True, slots=True)
class Body:
    """The raw message as received, named by its SHA-256: one for all recipients."""

    id: str
    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> Body:
        return cls(sha256(raw).hexdigest(), raw)


@dataclass(frozen=True, slots=True)
class Summary:
    """The fields that lists and searches show.

    Texts are decoded and cut at `MAX_FIELD`. `date` is the Date field, if it can be parsed.
    """

    subject: str
    sender: str
    to: str
    message_id: str
    date: datetime | None


def summarise(headers: Headers, *, tag: str = "") -> Summary:
    """Summarise the headers. `tag` is put before the subject, as in the rendered message."""
    subject, tag = headers.decoded("subject"), decode_words(tag).strip()
    if tag and not subject.startswith(tag):
        subject = f"{tag} {subject}".strip()
    return Summary(
        subject=subject[:MAX_FIELD],
        sender=headers.decoded("from")[:MAX_FIELD],
        to=headers.decoded("to")[:MAX_FIELD],
        message_id=(headers.get("message-id") or "")[:MAX_FIELD],
        date=_date(headers.get("date")),
    )


def _date(text: str | None) -> datetime | None:
    """Parse a date (RFC 5322 3.3). A date without a zone is UTC; one that the database cannot hold is None."""
    date = read_date(text) if text else None
    return date if date and date.year >= 1970 else None


def least_id_at(moment: datetime) -> str:
    """Return a lower bound of the ids made at `moment` or later (RFC 9562 5.7: milliseconds come first)."""
    return f"{int(moment.timestamp() * 1000):012x}"


@dataclass(frozen=True, slots=True)
class Copy:
    """A message on its way into one folder of one mailbox.

    `key` is unique in the mailbox: the same key is stored once (None: always a new message). `limit` is the limit of
    the mailbox in bytes, None without one. `size` is that of the rendered message, in bytes. `accepted_at` is when the
    cluster accepted the mail, None for messages that the user appends: mail accepted for a former account is not
    delivered.
    """

    mailbox: str
    folder: str
    key: str | None
    summary: Summary
    prefix: bytes
    edits: tuple[Edit, ...]
    size: int
    received_at: datetime
    flags: tuple[str, ...] = ()
    limit: int | None = None
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MailboxDelivery:
    """One body for several mailboxes, at most once in each."""

    body: Body
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class MailboxUsage:
    """Exact totals of a mailbox. `version` grows with every change. `made_at` is when its account was created, if
    known.
    """

    address: str
    used_bytes: int
    messages: int
    version: int
    made_at: datetime | None = None


# The account was deleted, or could not be looked up.
Unavailable = Literal["gone", "unknown"]


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """The outcome of a delivery: the totals of every mailbox that has the message, and the mailboxes without it.

    `over_quota` have no room, the accounts of `gone` were deleted, and the accounts of `unknown` could not be looked
    up.
    """

    usages: tuple[MailboxUsage, ...]
    over_quota: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    @property
    def missed(self) -> frozenset[str]:
        """Return the mailboxes without the message."""
        return self.over_quota | self.gone | self.unknown

    @classmethod
    def joined(cls, parts: Iterable[DeliveryOutcome]) -> DeliveryOutcome:
        """Join the outcomes of a delivery that was written in several transactions."""
        parts = list(parts)
        return cls(
            tuple(usage for part in parts for usage in part.usages),
            frozenset().union(*(part.over_quota for part in parts)),
            frozenset().union(*(part.gone for part in parts)),
            frozenset().union(*(part.unknown for part in parts)),
        )


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in a mailbox. `id` survives moves; `uid` and `modseq` belong to its folder."""

    id: str
    mailbox: str
    folder: str
    uid: int
    modseq: int
    summary: Summary
    size: int
    flags: tuple[str, ...]
    received_at: datetime
    body: str
    prefix: bytes
    edits: tuple[Edit, ...]
