"""Detects a message without Message-ID header, or with one that is not of the form `<left@right>`.

The field is only a SHOULD of the RFC, yet every mail program writes it.

See: RFC 5322 3.6.4.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    if mail.is_submitted:
        return MISS
    value = mail.headers.get("Message-ID")
    if value is None:
        return hit("no Message-ID header")
    return MISS if "@" in value and "<" in value else hit("the Message-ID is not of the form <left@right>", 0.6)
