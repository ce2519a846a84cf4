"""Detects a peer whose address has no name in DNS, or none that resolves to the address again.

Every address should have a PTR record, whose name leads back to it. A name that does not is the weaker sign.

See: RFC 1912 2.1, RFC 8601 2.7.3.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.peer_names import peer_names_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only mail of strangers is checked."""
    return context.environment.is_stranger(mail)


async def check(mail: MailView, context: FilterContext) -> Report:
    if not needs_lookup(mail, context):
        return MISS
    names = await peer_names_of(mail, context)
    if not names.claimed:
        return hit(f"{mail.peer} has no name")
    return MISS if names.confirmed else hit(f"{names.claimed[0]} is not the name of {mail.peer}", 0.5)
