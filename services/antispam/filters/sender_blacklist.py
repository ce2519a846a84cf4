"""The envelope sender or the author in the From header is on a black list: address or domain (R-SPAM-08)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """Every author counts: one listed name among several is enough."""
    for book in context.books:
        if mail.sender and (entry := book.black.entry_for_sender(mail.sender)):
            return hit(f"envelope sender, listed as {entry}")
        for author in mail.authors:
            if entry := book.black.entry_for_sender(author):
                return hit(f"From header, listed as {entry}")
    return MISS
