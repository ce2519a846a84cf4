"""The peer was new and had to come again: says how long it waited, and adds nothing (R-SPAM-02, R-IN-14)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """Ingress asked at RCPT, where alone it is worth something; here stands what came of it."""
    for recipient in mail.envelope.recipients:
        if recipient.screened and recipient.domain == context.domain:
            return hit(recipient.screened, 0.0)
    return MISS
