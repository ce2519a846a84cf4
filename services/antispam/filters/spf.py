"""The peer may not send for the sender's domain, as its owner says (R-SPAM-04, RFC 7208)."""

from __future__ import annotations

from libs.envelope import Temporary
from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.report import MISS, Report, hit
from services.antispam.spf import Result, spf_of


def asks(mail: MailView, context: Context) -> bool:
    """Only what a stranger handed in."""
    return context.knowledge.is_stranger(mail)


async def check(mail: MailView, context: Context) -> Report:
    """Hits on fail. A temperror is a finding with an error; RFC 7208 8.6 leaves what to do to the receiver."""
    if not asks(mail, context):
        return MISS
    spf = await spf_of(mail, context)
    match spf.result:
        case Result.FAIL:
            return hit(f"{spf.domain}: {spf.reason}{f' ({spf.explanation})' if spf.explanation else ''}")
        case Result.TEMPERROR:
            raise Temporary(f"SPF {spf.domain}: {spf.reason}")
        case _:
            return MISS
