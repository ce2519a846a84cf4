"""Mail that the system writes itself: delivery status notifications (RFC 3464, RFC 6522) and plain notices.

Pure: the time and the Message-ID arrive as arguments, the result is a whole message with CRLF. It goes out with the
null sender (RFC 5321 4.5.5, RFC 3834 3.3), which is the caller's part. Everything from outside (addresses, what a
remote server said, the original's fields) is made harmless, never an error: a notification must not fail for its cause.
"""

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum

from libs.mail.folding import MAX_LINE_OCTETS, fold, mailbox
from libs.mail.headers import Headers

MAX_ORIGINAL_OCTETS = 65_536  # of the original's fields that are returned
_MAX_FOREIGN_CHARACTERS = 800  # of what a remote server said

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")


class DsnAction(StrEnum):
    """RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


_SUBJECTS = {
    DsnAction.FAILED: "Undelivered mail returned to sender",
    DsnAction.DELAYED: "Delayed mail (still being retried)",
    DsnAction.DELIVERED: "Successful mail delivery report",
    DsnAction.EXPANDED: "Successful mail delivery report",
}
_SENTENCES = {
    DsnAction.FAILED: "Your message could not be delivered to the recipients below. It will not be tried again.",
    DsnAction.DELAYED: "Your message is not delivered yet. You need not do anything: it will be tried again.",
    DsnAction.DELIVERED: "Your message has reached the recipients below.",
    DsnAction.RELAYED: (
        "The mail servers of the recipients below have taken your message. They may send no report of it."
    ),
    DsnAction.EXPANDED: "Your message was sent on to those who stand behind the addresses below.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRecipient:
    """What became of one recipient. Empty text: not known."""

    address: str  # the one that was tried last
    status: str  # RFC 3463, as `5.1.1`
    action: DsnAction = DsnAction.FAILED
    original: str = ""  # ORCPT of RFC 3461 4.2 decoded, with its type (`rfc822;jean@example.org`) or without
    diagnostic: str = ""  # the reply of the remote server, such as `550 5.1.1 no such user`
    remote_mta: str = ""  # its host name


def delivery_status(
    *,
    to: str,
    author: str,
    recipients: Sequence[FailedRecipient],
    reporting_mta: str,
    original_headers: bytes,
    now: datetime,
    message_id: str,
    envelope_id: str = "",
    arrived: datetime | None = None,
    returned: bytes = b"",
) -> bytes:
    """A multipart/report for the sender `to`, on behalf of the mailbox `author`.

    `message_id` has its angle brackets; `original_headers` is the header block as it came, `returned` the whole message
    if it goes back (see `may_return`); `envelope_id` is ENVID of RFC 3461 4.4 decoded; times are aware.
    Raises ValueError if `author` or `message_id` is malformed: they are ours.
    """
    action = recipients[0].action if recipients else DsnAction.FAILED
    parts = (
        _explanation(action, recipients, reporting_mta),
        _status_part(recipients, reporting_mta, envelope_id, arrived),
        _message_part(returned) if returned else _text_part("text/rfc822-headers", _cut_at_line(original_headers)),
    )
    boundary = _boundary(parts, message_id)
    header = [
        *_common_fields(to, author, _SUBJECTS.get(action, "Mail delivery report"), now, message_id),
        fold("Auto-Submitted", "auto-replied"),  # RFC 3834 5
        *_reply_fields(original_headers),
        fold("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"'),  # RFC 6522 3
    ]
    opening = b"\r\n--" + boundary.encode("ascii")
    return b"".join(header) + b"".join(opening + b"\r\n" + part for part in parts) + opening + b"--\r\n"


def may_return(raw: bytes, *, ret: str, limit_bytes: int) -> bool:
    """Whether a failed message goes back whole: RET=FULL asked for it (RFC 3461 4.3), and a letter can carry it."""
    if ret.upper() != "FULL" or len(raw) > limit_bytes or b"\0" in raw:
        return False
    return max(map(len, raw.split(b"\n")), default=0) <= MAX_LINE_OCTETS


def notice(*, to: str, author: str, subject: str, text: str, now: datetime, message_id: str) -> bytes:
    """A plain text message by the system, as a quota warning. Control characters in subject and text become spaces.

    Raises ValueError if `author` or `message_id` is malformed.
    """
    header = [
        *_common_fields(to, author, _printable(subject), now, message_id),
        fold("Auto-Submitted", "auto-generated"),  # RFC 3834 5
    ]
    return b"".join(header) + _text_part("text/plain", text.encode("utf-8", "replace"))


def _common_fields(to: str, author: str, subject: str, now: datetime, message_id: str) -> list[bytes]:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a Message-ID has the form <left@right>")
    if now.tzinfo is None:
        raise ValueError("the time of a message is aware of its zone")
    return [
        fold("Date", format_datetime(now)),
        fold("From", mailbox("Mail Delivery System", author)),
        *_to_field(to),
        fold("Subject", subject),
        fold("Message-ID", message_id),
        fold("MIME-Version", "1.0"),
    ]


def _to_field(to: str) -> list[bytes]:
    """RFC 5322 3.6: the field may be missing, as it must for an address that it cannot carry; the envelope has it."""
    if "=?" in to:
        return []  # careless readers would decode it, against RFC 2047 5
    try:
        return [fold("To", mailbox("", to))]
    except ValueError:
        return []


def _reply_fields(original_headers: bytes) -> list[bytes]:
    """Lets clients show the notification under the message that it is about."""
    original_id = Headers(original_headers).get("Message-ID") or ""
    if not _MESSAGE_ID.fullmatch(original_id):
        return []
    return [fold("In-Reply-To", original_id), fold("References", original_id)]


def _explanation(action: DsnAction, recipients: Sequence[FailedRecipient], reporting_mta: str) -> bytes:
    lines = [f"This is the mail system at {_foreign(reporting_mta)}.", "", _SENTENCES.get(action, "Report:"), ""]
    for recipient in recipients:
        said_by = f"{_foreign(recipient.remote_mta)} said: " if recipient.remote_mta else ""
        reason = said_by + (_foreign(recipient.diagnostic) or recipient.status)
        lines.append(f"<{_printable(recipient.address)}>: {reason}")
    return _text_part("text/plain", "\n".join(lines).encode("utf-8", "replace") + b"\n")


def _status_part(
    recipients: Sequence[FailedRecipient], reporting_mta: str, envelope_id: str, arrived: datetime | None
) -> bytes:
    """RFC 3464 2.1: one group of fields for the message, one for each recipient."""
    fields = [
        ("Original-Envelope-Id", _foreign(envelope_id)),
        ("Reporting-MTA", f"dns; {_foreign(reporting_mta)}"),
    ]
    if arrived:
        fields.append(("Arrival-Date", format_datetime(arrived)))
    groups = [fields, *(_recipient_fields(recipient) for recipient in recipients)]
    rendered = (b"".join(fold(name, value) for name, value in group if value) for group in groups)
    return b"Content-Type: message/delivery-status\r\n\r\n" + b"\r\n".join(rendered)


def _recipient_fields(recipient: FailedRecipient) -> list[tuple[str, str]]:
    """RFC 3464 2.3, in its order."""
    return [
        ("Original-Recipient", _original(recipient.original)),
        ("Final-Recipient", _typed(recipient.address)),
        ("Action", recipient.action.value),
        ("Status", _foreign(recipient.status)),
        ("Remote-MTA", f"dns; {_foreign(recipient.remote_mta)}" if recipient.remote_mta else ""),
        ("Diagnostic-Code", f"smtp; {_foreign(recipient.diagnostic)}" if recipient.diagnostic else ""),
    ]


def _original(orcpt: str) -> str:
    """RFC 3464 2.3.1: the address under the type that it came with; one that is not ASCII as RFC 6533 3 writes it."""
    kind, semicolon, address = orcpt.partition(";")
    if not semicolon or not re.fullmatch(r"[A-Za-z0-9-]+", kind):
        return _typed(orcpt)
    address = address.strip()
    return f"{kind}; {_foreign(address)}" if address.isascii() else _typed(address)


def _typed(address: str) -> str:
    """`rfc822; jean@example.org`; one that is not ASCII in the ASCII form of RFC 6533 3 (utf-8-addr-xtext)."""
    if not address:
        return ""
    if address.isascii():
        return f"rfc822; {_foreign(address)}"
    return "utf-8; " + "".join(c if "!" <= c <= "~" and c not in "\\+=" else rf"\x{{{ord(c):X}}}" for c in address)


def _text_part(content_type: str, octets: bytes) -> bytes:
    """Fields, blank line and text with CRLF; quoted-printable where 7bit could not carry it (RFC 2045 2.7)."""
    text = octets.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    charset = "us-ascii" if text.isascii() else "utf-8"
    plain = text.isascii() and b"\0" not in text and max(map(len, text.split(b"\n"))) <= MAX_LINE_OCTETS
    encoding = "7bit" if plain else "quoted-printable"
    fields = fold("Content-Type", f"{content_type}; charset={charset}") + fold("Content-Transfer-Encoding", encoding)
    body = text if plain else binascii.b2a_qp(text)
    return fields + b"\r\n" + (body.removesuffix(b"\n") + b"\n").replace(b"\n", b"\r\n")


def _message_part(raw: bytes) -> bytes:
    """The whole message. RFC 2046 5.2.1: it is never encoded; RFC 6533 4: one with a UTF-8 header is message/global."""
    kind = "message/rfc822" if Headers(raw).raw.isascii() else "message/global"
    fields = fold("Content-Type", kind) + fold("Content-Transfer-Encoding", "7bit" if raw.isascii() else "8bit")
    text = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    return fields + b"\r\n" + text


def _cut_at_line(headers: bytes) -> bytes:
    """The fields without the blank line, cut behind a line if there are too many."""
    headers = Headers(headers).raw.rstrip(b"\r\n") + b"\r\n"
    if len(headers) <= MAX_ORIGINAL_OCTETS:
        return headers
    return headers[: headers.rfind(b"\n", 0, MAX_ORIGINAL_OCTETS) + 1] or headers[:MAX_ORIGINAL_OCTETS]


def _boundary(parts: Sequence[bytes], message_id: str) -> str:
    """One that no part contains; the same for the same message, so that writing it again changes nothing."""
    content = b"\r\n".join(parts)
    boundary = hashlib.sha256(message_id.encode("ascii") + content).hexdigest()[:32]
    while boundary.encode("ascii") in content:
        boundary = hashlib.sha256(boundary.encode("ascii")).hexdigest()[:32]
    return boundary


def _foreign(text: str) -> str:
    """Text of others as printable ASCII of a bounded length (RFC 3464 2.1.1: fields are ASCII)."""
    return re.sub(r"[^ -~]+", " ", text.encode("ascii", "replace").decode("ascii"))[:_MAX_FOREIGN_CHARACTERS].strip()


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
