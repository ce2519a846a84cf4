"""The bytes that leave: our trace field, the tag of spam, line ends as RFC 5321 2.3.8 wants them."""

from __future__ import annotations

import re

from libs.envelope import Envelope, Recipient
from libs.mail.headers import Headers
from libs.mail.render import edits, rendered, repairs

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def subject_tag(envelope: Envelope, recipient: Recipient) -> str:
    """R-SPAM-41: what the domain of ours that forwards puts before the subject of spam; nothing for other mail."""
    verdict = envelope.verdicts.get(recipient.domain)
    return verdict.subject_prefix if verdict and verdict.action == "tag" and not envelope.released else ""


def copy_of(raw: bytes, trace: bytes, *, subject_tag: str) -> bytes:
    """The message behind our trace field. Only a tag changes its fields, so that signatures of other mail hold.

    Where its header block is damaged its fields and its body are made to be what was scanned as such.
    """
    raw = with_strict_line_ends(raw)
    headers = Headers(raw)
    changes = edits(headers, subject_prefix=subject_tag) if subject_tag else repairs(headers)
    return rendered(trace, changes, raw)


def with_strict_line_ends(raw: bytes) -> bytes:
    """Each bare CR or LF becomes CRLF; the message ends with one. Mail without any is not copied."""
    if not raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n"):  # far quicker than a search
        raw = _BARE.sub(b"\r\n", raw)
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"
