"""Detects invisible characters inside words, and words in letters of two scripts, which hide words from filters.

It reads the subject, the plain text and the source of the HTML: the text that is made from HTML has lost the invisible
characters already.

See: Unicode UTS 39.
"""

from __future__ import annotations

import re

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

# Zero-width space, word joiner, soft hyphen; not the joiners that Persian, Hindi and emoji need.
_SIGNS = "\u200b\u2060\u00ad\ufeff"
_INVISIBLE = re.compile(f"[a-zA-Z][{_SIGNS}]+(?=[a-zA-Z])")
# Unicode TR 39: Latin next to Cyrillic or Greek within one word, as in "pаypal" with a Cyrillic a.
# The rare letter leads, so that the search halts at few places: twice as quick.
_MIXED = re.compile("[\u0370-\u03ff\u0400-\u04ff](?<=[a-zA-Z].)(?=[a-zA-Z])")
_LEAST = 3  # one soft hyphen is a typesetter's


async def check(mail: MailView, context: FilterContext) -> Report:
    text = f"{mail.subject}\n{mail.plain}\n{mail.html}"
    if text.isascii():
        return MISS
    found = len(_MIXED.findall(text))
    if any(sign in text for sign in _SIGNS):  # a hundred times quicker than the search for them
        found += len(_INVISIBLE.findall(text))
    return hit(f"{found} words with invisible or foreign characters inside") if found >= _LEAST else MISS
