"""Detects an envelope sender or an author in From whose address or domain is on a black list.

Every author counts: one listed address among several is enough.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    for book in context.books:
        if mail.sender and (entry := book.black.entry_for_sender(mail.sender)):
            return hit(f"envelope sender, listed as {entry}")
        for author in mail.authors:
            if entry := book.black.entry_for_sender(author):
                return hit(f"From header, listed as {entry}")
    return MISS
