"""What logic rules may ask of a message besides the findings."""

from __future__ import annotations

from collections.abc import Mapping

from services.antispam.message.mail_view import MailView
from services.antispam.policy.expressions import Value

# Name -> what it is; shown by the API, and the names that an expression may use.
FACTS: Mapping[str, str] = {
    "size": "octets of the message",
    "recipients": "recipients of the envelope",
    "attachments": "MIME parts that are no text",
    "links": "links in the text",
    "text_length": "characters of the visible text",
    "subject": "the subject, decoded, in lower case",
    "sender": "the envelope sender in lower case, empty for none",
    "sender_domain": "its domain",
    "author": "the address in the From header, in lower case",
    "author_domain": "its domain",
    "submitted": "1 when one of ours handed it in",
    "encrypted": "1 when it came over TLS",
}


def facts_of(mail: MailView) -> dict[str, Value]:
    """The facts of one message, by the names of `FACTS`."""
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
