"""Detects a message without text and without attachment.

An image shown by HTML counts as content. A message with a subject weighs half.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    if mail.text.strip() or "<img" in mail.html.lower() or _has_attachment(mail):
        return MISS
    return hit("no text, only a subject", 0.5) if mail.subject.strip() else hit("no text and no subject")


def _has_attachment(mail: MailView) -> bool:
    return any(part.body(1024).strip() for part in mail.attachments)
