"""Builders of what the tests need again and again: a recipient, an envelope, mail, a message as a person writes it.

Each gives something ordinary; keywords replace its fields. Specimens of odd and hostile mail are in `tests/specimens`.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from email.message import EmailMessage
from hashlib import sha256
from typing import Any

from libs.envelope import Envelope, Mail, Recipient

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RAW = b"Subject: bonjour\r\n\r\nfin\r\n"


def a_recipient(address: str = "marie@example.org", **fields: Any) -> Recipient:
    """Return a recipient whose domain is that of its address."""
    return Recipient(**{"address": address, "domain": address.rpartition("@")[2], **fields})


def an_envelope(*recipients: Recipient | str, raw: bytes = b"", **fields: Any) -> Envelope:
    """Return the envelope of `raw`, received at noon; an address stands for a recipient elsewhere."""
    whole = tuple(Recipient(address=each) if isinstance(each, str) else each for each in recipients)
    usual: dict[str, Any] = {
        "id": "m1",
        "received_at": NOON,
        "recipients": whole,
        "size_bytes": len(raw),
        "sha256": sha256(raw).hexdigest(),
    }
    return Envelope(**{**usual, **fields})


def a_mail(*recipients: Recipient | str, raw: bytes = RAW, **fields: Any) -> Mail:
    """Return mail with the bytes `raw`."""
    return Mail(an_envelope(*recipients, raw=raw, **fields), raw)


def a_letter(subject: str, *, sender: str, to: str, text: str = "Bonjour,\n\nà bientôt.\n") -> EmailMessage:
    """Return a message as a mail program writes it, with an id of its own."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = "Sun, 22 Nov 2026 10:00:00 +0000"
    message["Message-ID"] = f"<{uuid.uuid4().hex}@far.example>"
    message.set_content(text)
    return message
