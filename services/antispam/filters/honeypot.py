"""Detects a message that also went to a honeypot, an address that no person ever gave away.

It protects the honest recipients of the same message; the honeypot keeps its own copy and has the peer banned.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    trapped = sum(recipient.purpose == "honeypot" for recipient in mail.envelope.recipients)
    return hit(f"{trapped} of {len(mail.envelope.recipients)} recipients are honeypots") if trapped else MISS
