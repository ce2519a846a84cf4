"""What SpamAssassin says, asked by its spamd when it is configured (R-SPAM-25)."""

from __future__ import annotations

from services.antispam.engines.model import is_asked, report_of
from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import Report

_NAME = "spamassassin"


def asks(mail: MailView, context: Context) -> bool:
    return is_asked(context.knowledge.engines, _NAME, mail)


async def check(mail: MailView, context: Context) -> Report:
    """Strength 1 at its own threshold; negative where it speaks for the message."""
    return await report_of(context.knowledge.engines, _NAME, mail)
