"""Detects a message that fails DMARC: neither SPF nor DKIM authenticates the domain of its author.

It weighs as much as the policy of that domain asks for: reject, quarantine or none.

See: RFC 7489.
"""

from __future__ import annotations

from libs.envelope import Temporary
from services.antispam.filtering.authentication import dmarc_result_of
from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"sender"})

# RFC 7489 6.3: what the domain asks for. The chain gives the points of a rejection.
_STRENGTHS = {"reject": 1.0, "quarantine": 0.8, "none": 0.1}


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only mail of strangers is checked."""
    return context.environment.is_stranger(mail)


async def check(mail: MailView, context: FilterContext) -> Report:
    if not needs_lookup(mail, context):
        return MISS
    found = await dmarc_result_of(mail, context)
    match found.outcome:
        case "fail":
            return hit(f"{found.domain}: {found.reason}, p={found.policy}", _STRENGTHS[found.policy])
        case "temperror":
            raise Temporary(found.reason)
        case _:
            return MISS
