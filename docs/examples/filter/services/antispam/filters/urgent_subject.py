"""Detects a subject that urges the reader to act at once.

Answers are left out, since people quote such subjects when they warn each other.
"""

from __future__ import annotations

import re

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_URGES = re.compile(r"(?i)\b(?:urgent|act now|last (?:warning|reminder)|within 24 hours)\b")
_ANSWER = re.compile(r"(?i)^\s*(?:re|aw|tr|fwd?)\s*:")


async def check(mail: MailView, context: FilterContext) -> Report:
    """Report a hit with the words that urge; they are shown to the administrator as the reason."""
    if _ANSWER.match(mail.subject):
        return MISS
    found = _URGES.search(mail.subject)
    return hit(f"the subject says {found[0]!r}") if found else MISS
