"""Detects a message without From header, or without an address in it.

From and Date are the two fields that every message must have.

See: RFC 5322 3.6, RFC 5322 3.6.2.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    if "From" not in mail.headers:
        return hit("no From header")
    return MISS if any("@" in author for author in mail.authors) else hit("no address in the From header", 0.7)
