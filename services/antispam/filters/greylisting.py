"""Reports how long greylisting made the peer wait; it adds nothing to the score.

Ingress asks for greylisting at RCPT, the only place where it works; this finding shows the outcome.

See: RFC 6647.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    for recipient in mail.envelope.recipients:
        if recipient.screened and recipient.domain == context.domain:
            return hit(recipient.screened, 0.0)
    return MISS
