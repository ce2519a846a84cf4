"""The message went also to an address that no person ever gave to anybody (R-SPAM-12)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """For the honest recipients of the same message; the trap itself keeps its copy and tells on the peer."""
    trapped = sum(recipient.purpose == "honeypot" for recipient in mail.envelope.recipients)
    return hit(f"{trapped} of {len(mail.envelope.recipients)} recipients are honeypots") if trapped else MISS
