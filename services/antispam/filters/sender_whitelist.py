"""Recognises an envelope sender, or the only author in From, whose address or domain is on a white list.

From counts only with exactly one author, since readers disagree which of two it is, and only where the policy allows it
(`whitelist_from_header`).
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.vouching import is_sender_unauthenticated
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    counts = bool(mail.sender) and not is_sender_unauthenticated(mail, context)
    for book in context.books:
        if counts and (entry := book.white.entry_for_sender(mail.sender)):
            return hit(f"envelope sender, listed as {entry}")
    if context.policy.whitelist_from_header and len(mail.authors) == 1:
        for book in context.books:
            if entry := book.white.entry_for_sender(mail.authors[0]):
                return hit(f"From header, listed as {entry}")
    return MISS
