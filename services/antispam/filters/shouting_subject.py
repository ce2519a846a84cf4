"""Detects a subject in capitals, or full of exclamation marks.

Letters of scripts without case do not count.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_LEAST = 10  # letters: shorter ones are abbreviations


async def check(mail: MailView, context: FilterContext) -> Report:
    subject = mail.subject
    lower, upper = sum(map(str.islower, subject)), sum(map(str.isupper, subject))
    if upper >= _LEAST and upper > 4 * lower:
        return hit("the subject is in capitals")
    return hit("exclamation marks in the subject", 0.6) if subject.count("!") >= 3 or "$$" in subject else MISS
