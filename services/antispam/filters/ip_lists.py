"""The administrators' lists of addresses: networks from which mail is accepted or refused."""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit
from services.antispam.policy.lists import AddressList


async def ip_whitelist(mail: MailView, context: FilterContext) -> Report:
    """Recognises a peer whose address is in a network on a white list, of the domain or of all domains."""
    return _listed(mail, [book.white for book in context.books])


async def ip_blacklist(mail: MailView, context: FilterContext) -> Report:
    """Detects a peer whose address is in a network on a black list, of the domain or of all domains."""
    return _listed(mail, [book.black for book in context.books])


def _listed(mail: MailView, lists: list[AddressList]) -> Report:
    if mail.peer is None:
        return MISS
    for addresses in lists:
        if network := addresses.entry_for_peer(mail.peer):
            return hit(f"{mail.peer} is in {network}")
    return MISS
