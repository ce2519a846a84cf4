"""There is no From header, or no address in it (R-SPAM-29, RFC 5322 3.6.2)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """RFC 5322 3.6: From and Date are the two fields that every message has."""
    if "From" not in mail.headers:
        return hit("no From header")
    return MISS if any("@" in author for author in mail.authors) else hit("no address in the From header", 0.7)
