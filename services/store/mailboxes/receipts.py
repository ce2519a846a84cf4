"""The notification of a delivery (RFC 3461 5.2.3) to a sender who asked for it: who has got the mail."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from libs.envelope import Envelope, Recipient
from libs.letters import News, hears
from libs.mail.dsn import MAX_ORIGINAL_OCTETS, Action, FailedRecipient
from libs.mail.headers import Headers
from services.store.mailboxes.delivery import mailbox_address

DELIVERED = "2.0.0"  # RFC 3463 3.1


@dataclass(frozen=True, slots=True)
class Receipt:
    """One notification: of one message, for the recipients that got it together. `envelope` has no recipients.

    `header` is the header block as it came: with a success nothing else goes back, whatever RET says (RFC 3461 4.3).
    """

    id: str
    envelope: Envelope
    header: bytes
    recipients: tuple[FailedRecipient, ...]
    noted_at: datetime


def receipt_of(envelope: Envelope, raw: bytes, *, missed: Collection[str], now: datetime) -> Receipt | None:
    """None where nobody asked, which is nearly always. The mailboxes in `missed` have not got the mail."""
    if not any(recipient.notify for recipient in envelope.recipients):
        return None
    heard: dict[str, FailedRecipient] = {}
    for recipient in envelope.recipients:
        if hears(envelope, recipient, News.SUCCESS) and mailbox_address(recipient.address) not in missed:
            reported = _delivered(recipient)
            heard.setdefault(reported.address.lower(), reported)
    if not heard:
        return None
    batch = sha256("\n".join(sorted(heard)).encode("utf-8", "replace")).hexdigest()[:16]
    about = Envelope(
        id=envelope.id,
        received_at=envelope.received_at,
        mail_from=envelope.mail_from,
        envid=envelope.envid,
        recipients=(),
        size_bytes=envelope.size_bytes,
        sha256=envelope.sha256,
        verdicts={},
    )
    recipients = sorted(heard.values(), key=lambda reported: reported.action is Action.EXPANDED)
    return Receipt(f"{envelope.id}:{batch}", about, _head(raw), tuple(recipients), now)


def _delivered(recipient: Recipient) -> FailedRecipient:
    """What is behind an alias of ours is nobody's business. One with several mailboxes is expanded (5.2.7.2)."""
    return FailedRecipient(
        address=recipient.original or recipient.address,
        original=recipient.orcpt,
        status=DELIVERED,
        action=Action.EXPANDED if recipient.expanded else Action.DELIVERED,
    )


def _head(raw: bytes) -> bytes:
    header = Headers(raw).raw
    return header if len(header) <= MAX_ORIGINAL_OCTETS else header[: header.rfind(b"\n", 0, MAX_ORIGINAL_OCTETS) + 1]
