"""The peer's address is on a white list, of the domain or of all (R-SPAM-03)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """Hit when a network of the list holds the peer."""
    if mail.peer is None:
        return MISS
    for book in context.books:
        if network := book.white.entry_for_peer(mail.peer):
            return hit(f"{mail.peer} is in {network}")
    return MISS
