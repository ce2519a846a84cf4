"""There is no Date header (R-SPAM-29, RFC 5322 3.6.1)."""

from __future__ import annotations

from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """Programs of ours may leave it to the server (RFC 6409 8.1)."""
    return MISS if mail.is_submitted or "Date" in mail.headers else hit("no Date header")
