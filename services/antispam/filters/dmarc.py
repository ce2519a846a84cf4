"""The author's domain does not stand behind the message, and asks not to accept that (R-SPAM-30, RFC 7489)."""

from __future__ import annotations

from libs.envelope import Temporary
from services.antispam.filtering.authentication import dmarc_result_of
from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"sender"})

# RFC 7489 6.3: what the domain asks for. The chain gives the points of a rejection.
_STRENGTHS = {"reject": 1.0, "quarantine": 0.8, "none": 0.1}


def needs_lookup(mail: MailView, context: Context) -> bool:
    """Only what a stranger handed in."""
    return context.environment.is_stranger(mail)


async def check(mail: MailView, context: Context) -> Report:
    """Hits when DMARC fails, as strongly as the domain asks for."""
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
