"""Detects a mass mailing: the same message to dozens of recipients at the same time.

It counts recipients, not messages: one message with thirty recipients is the same as thirty messages with one.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    if mail.is_submitted:
        return MISS
    envelope, counter = mail.envelope, context.environment.mass_mailings
    total = counter.count(
        mail.digest, recipients=len(envelope.recipients), message_id=envelope.id, now=context.now
    )  # fmt: skip
    return hit(f"went to {total} recipients lately") if total >= counter.threshold else MISS
