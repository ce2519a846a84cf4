"""Detects a peer whose address is on at least half of the configured DNS blocklists.

Addresses are looked up as reversed octets (RFC 5782 2.1) or nibbles (RFC 5782 2.4). Where the lists that do not answer
could change the result, the finding is an error.

See: RFC 5782.
"""

from __future__ import annotations

from libs.dns import reverse_name
from libs.envelope import Temporary
from services.antispam.filtering.context import FilterContext
from services.antispam.message.blocklists import look_up
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only mail of strangers is checked, where lists are configured."""
    return bool(context.environment.lookups.dnsbl) and context.environment.is_stranger(mail)


async def check(mail: MailView, context: FilterContext) -> Report:
    peer = mail.peer
    if peer is None or not needs_lookup(mail, context):
        return MISS
    lookups = context.environment.lookups
    found = await look_up(context.environment.dns, lookups.dnsbl, lambda zone: reverse_name(peer, zone))
    if found.is_undecided:
        raise Temporary(f"no answer from {', '.join(found.unanswered)}")
    return hit(f"{peer} is on {', '.join(found.listed_by)}") if found.is_listed else MISS
