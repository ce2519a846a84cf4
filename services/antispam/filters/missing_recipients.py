"""Neither To nor Cc names anybody (R-SPAM-29)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """Lawful (RFC 5322 3.6 asks for no recipient field), and what most mass mailings by Bcc look like."""
    if mail.headers.get("To") or mail.headers.get("Cc"):
        return MISS
    return hit("no recipient in the headers")
