"""Search criteria, and full-text search in a message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from libs.mail.html import text_of_html
from libs.mail.message import parse

MAX_TEXT_OCTETS = 1024 * 1024  # of one part: more than a person reads


@dataclass(frozen=True, slots=True)
class SearchCriteria:
    """A message must match all given criteria. Texts match anywhere, in any case; `folder` is an id; sizes are bytes.

    `since` is inclusive, `before` exclusive; both apply to the time of receipt.
    """

    folder: str = ""
    subject: str = ""
    sender: str = ""
    to: str = ""
    text: str = ""
    with_flags: tuple[str, ...] = ()
    without_flags: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None
    larger_than: int | None = None
    smaller_than: int | None = None


def contains_text(raw: bytes, text: str) -> bool:
    """Return whether the subject or a displayed text part contains `text`. CPU-heavy."""
    wanted = " ".join(text.casefold().split())
    message = parse(raw)
    if wanted in _words(message.subject):
        return True
    for part in message.leaves():
        if part.content_type in ("text/plain", "text/html") and part.disposition != "attachment":
            seen = part.text(MAX_TEXT_OCTETS)
            if wanted in _words(text_of_html(seen) if part.content_type == "text/html" else seen):
                return True
    return False


def _words(text: str) -> str:
    """Line breaks do not separate words that a search looks for."""
    return " ".join(text.casefold().split())
