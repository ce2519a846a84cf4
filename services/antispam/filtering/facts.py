"""The facts of a message that logic rules may use besides the scores of filters."""

from __future__ import annotations

from collections.abc import Mapping

from services.antispam.message.mail_view import MailView
from services.antispam.policy.expressions import Value

# Name -> meaning; the API shows them, and they are the names that an expression may use.
FACTS: Mapping[str, str] = {
    "size": "octets of the message",
    "recipients": "recipients of the envelope",
    "attachments": "MIME parts that are not displayed as text",
    "links": "links in the text",
    "text_length": "characters of the visible text",
    "subject": "the subject, decoded, in lower case",
    "sender": "the envelope sender in lower case, empty for none",
    "sender_domain": "the domain of the envelope sender",
    "author": "the address in the From header, in lower case",
    "author_domain": "the domain of the author",
    "submitted": "1 when an authenticated client or our own software submitted it",
    "encrypted": "1 when it came over TLS",
}


def facts_of(mail: MailView) -> dict[str, Value]:
    """Collect the facts of one message, by the names of `FACTS`."""
    author = mail.authors[0] if mail.authors else ""
    return {
        "size": float(mail.envelope.size_bytes),
        "recipients": float(len(mail.envelope.recipients)),
        "attachments": float(len(mail.attachments)),
        "links": float(len(mail.links)),
        "text_length": float(len(mail.text)),
        "subject": mail.subject.lower(),
        "sender": mail.sender,
        "sender_domain": mail.sender.rpartition("@")[2],
        "author": author,
        "author_domain": author.rpartition("@")[2],
        "submitted": float(mail.is_submitted),
        "encrypted": float(mail.envelope.peer.tls is not None),
    }
