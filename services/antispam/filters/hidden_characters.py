"""Invisible characters inside words, or letters of two scripts in one word, hide it from filters (R-SPAM-29)."""

from __future__ import annotations

import re

from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.report import MISS, Report, hit

# Zero-width space, word joiner, soft hyphen; not the joiners that Persian, Hindi and emoji need.
_INVISIBLE = re.compile("[a-zA-Z][\u200b\u2060\u00ad\ufeff]+(?=[a-zA-Z])")
# Unicode TR 39: Latin next to Cyrillic or Greek within one word, as in "pаypal" with a Cyrillic a.
_MIXED = re.compile("[a-zA-Z][\u0370-\u03ff\u0400-\u04ff](?=[a-zA-Z])")
_LEAST = 3  # one soft hyphen is a typesetter's


async def check(mail: MailView, context: Context) -> Report:
    """The plain text and the subject; HTML loses its invisible characters before anyone reads it here."""
    text = f"{mail.subject}\n{mail.plain}\n{mail.html}"
    if text.isascii():
        return MISS
    found = len(_INVISIBLE.findall(text)) + len(_MIXED.findall(text))
    return hit(f"{found} words with invisible or foreign characters inside") if found >= _LEAST else MISS
