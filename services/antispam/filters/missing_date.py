"""There is no Date header (R-SPAM-29, RFC 5322 3.6.1)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """Programs of ours may leave it to the server (RFC 6409 8.1)."""
    return MISS if mail.is_submitted or "Date" in mail.headers else hit("no Date header")
