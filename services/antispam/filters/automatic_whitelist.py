"""Recognises a sender that validated itself for the domain, or to which its users wrote without a bounce.

It is a weight, not an absolute. It looks at the envelope sender first, then at the From header if that names exactly
one author and the policy allows it (`whitelist_from_header`).
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.vouching import is_sender_unauthenticated
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit
from services.antispam.reputation.correspondents import is_eligible


async def check(mail: MailView, context: FilterContext) -> Report:
    if not context.domain or mail.is_submitted:
        return MISS
    known = context.environment.correspondents
    for name, address in _senders(mail, context):
        if is_eligible(context.domain, address) and (found := await known.find(context.domain, address)):
            return hit(f"{name}: {found}", found.strength)
    return MISS


def _senders(mail: MailView, context: FilterContext) -> list[tuple[str, str]]:
    senders = [] if is_sender_unauthenticated(mail, context) else [("envelope sender", mail.sender)]
    if (
        context.policy.whitelist_from_header
        and len(mail.authors) == 1
        and ("envelope sender", mail.authors[0]) not in senders
    ):
        senders.append(("From header", mail.authors[0]))
    return senders
