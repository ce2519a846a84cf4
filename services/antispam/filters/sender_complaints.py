"""Several recipients complained about this very sender (R-SPAM-28); only a whitelist beats it."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """The envelope sender or the only author. Whom the domain's users write to is whitelisted, if automatically."""
    if mail.is_submitted or "automatic_whitelist" in context.scores:
        return MISS
    for address in dict.fromkeys((mail.sender, *(mail.authors if len(mail.authors) == 1 else ()))):
        if address and (count := context.environment.complaints.about_sender(address)):
            return hit(f"{count} recipients complained about {address}")
    return MISS
