"""Makes the copy of a message that is sent: trace field, tag of spam, and line ends of RFC 5321 2.3.8."""

from __future__ import annotations

import re

from libs.envelope import Envelope, Recipient
from libs.mail.headers import Headers
from libs.mail.render import edits, rendered, repairs

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def subject_tag(envelope: Envelope, recipient: Recipient) -> str:
    """The prefix that the forwarding local domain adds to the subject of spam; empty for other mail."""
    verdict = envelope.verdicts.get(recipient.domain)
    return verdict.subject_prefix if verdict and verdict.action == "tag" and not envelope.released else ""


def copy_of(raw: bytes, trace: bytes, *, subject_tag: str) -> bytes:
    """The message behind the trace field. Only a tag changes its fields, so that signatures of other mail hold.

    A damaged header block is repaired so that fields and body are those that were scanned.
    """
    raw = with_strict_line_ends(raw)
    headers = Headers(raw)
    changes = edits(headers, subject_prefix=subject_tag) if subject_tag else repairs(headers)
    return rendered(trace, changes, raw)


def with_strict_line_ends(raw: bytes) -> bytes:
    """Replace each bare CR or LF by CRLF, and end the message with one. Conforming mail is not copied."""
    if not raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n"):  # much faster than a search
        raw = _BARE.sub(b"\r\n", raw)
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"
