"""Detects a message that names no recipient in To or Cc.

This is lawful, since RFC 5322 3.6 requires no recipient field, and it is what most mass mailings by Bcc look like.

See: RFC 5322 3.6.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    if mail.headers.get("To") or mail.headers.get("Cc"):
        return MISS
    return hit("no recipient in the headers")
