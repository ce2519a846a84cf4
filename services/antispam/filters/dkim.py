"""Detects a message with DKIM signatures of which none verifies.

It is a weak sign: lists and scanners on the way change messages that were signed in good faith. It hits when no
signature passes and at least one surely fails.

See: RFC 6376.
"""

from __future__ import annotations

from libs.envelope import Temporary
from services.antispam.filtering.authentication import dkim_results_of
from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only signed mail of strangers is checked."""
    return context.environment.is_stranger(mail) and "DKIM-Signature" in mail.headers


async def check(mail: MailView, context: FilterContext) -> Report:
    if not needs_lookup(mail, context):
        return MISS
    signed = await dkim_results_of(mail, context)
    outcomes = {each.outcome for each in signed}
    if "pass" in outcomes:
        return MISS
    if "temperror" in outcomes:
        raise Temporary(next(each.reason for each in signed if each.outcome == "temperror"))
    if outcomes & {"fail", "permerror", "policy"}:
        return hit("; ".join(f"{each.domain or 'unreadable'}: {each.reason}" for each in signed))
    return MISS
