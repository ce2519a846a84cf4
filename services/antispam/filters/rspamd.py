"""What Rspamd says, asked by its HTTP interface when it is configured (R-SPAM-25)."""

from __future__ import annotations

from services.antispam.engines.model import accepts, engine_report
from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import Report

_NAME = "rspamd"


def needs_lookup(mail: MailView, context: Context) -> bool:
    return accepts(context.environment.engines, _NAME, mail)


async def check(mail: MailView, context: Context) -> Report:
    """Strength 1 at its own threshold; negative where it speaks for the message."""
    return await engine_report(context.environment.engines, _NAME, mail)
