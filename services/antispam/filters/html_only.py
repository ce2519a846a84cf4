"""Detects a message in HTML without a plain text beside it.

Honest programs send the plain text as an alternative; mass mailers save the trouble.

See: RFC 2046 5.1.4.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    return hit("HTML and no plain text") if mail.html and not mail.plain.strip() else MISS
