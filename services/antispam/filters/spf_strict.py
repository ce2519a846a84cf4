"""The peer may not send for the sender's domain, whoever vouches for the message: for those to whom nobody forwards."""

from __future__ import annotations

from libs.authentication.spf import SpfResult
from services.antispam.filtering.context import Context
from services.antispam.filtering.spf import spf_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"sender"})


def needs_lookup(mail: MailView, context: Context) -> bool:
    """Only what a stranger handed in."""
    return context.environment.is_stranger(mail)


async def check(mail: MailView, context: Context) -> Report:
    """Hits on every fail, forwarded mail included."""
    if not needs_lookup(mail, context):
        return MISS
    spf = await spf_of(mail, context)
    return hit(str(spf)) if spf.result is SpfResult.FAIL else MISS
