"""Exempts the message from `dmarc` where a trusted server sealed that DMARC had passed before it changed the message.

Anybody can seal anything, so only seals of the domains in the setting `arc_trusted_sealers` count.

See: RFC 8617.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.vouching import trusted_results
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only sealed mail of strangers is checked."""
    return context.environment.is_stranger(mail) and "ARC-Seal" in mail.headers


async def check(mail: MailView, context: FilterContext) -> Report:
    if not needs_lookup(mail, context):
        return MISS
    sealer, methods = await trusted_results(mail, context)
    if "dmarc" not in methods:
        return MISS
    return Report("hit", f"{sealer} saw dmarc=pass", exempts=frozenset({"dmarc"}))
