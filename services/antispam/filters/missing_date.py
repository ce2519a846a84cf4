"""Detects a message without Date header.

Authenticated clients may leave the field to the server (RFC 6409 8.1), so their mail is not judged.

See: RFC 5322 3.6.1, RFC 6409 8.1.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    return MISS if mail.is_submitted or "Date" in mail.headers else hit("no Date header")
