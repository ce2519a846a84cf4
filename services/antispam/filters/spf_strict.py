"""The peer may not send for the sender's domain, whoever vouches for the message: for those to whom nobody forwards."""

from __future__ import annotations

from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.report import MISS, Report, hit
from services.antispam.spf import Result, spf_of

NEEDS = frozenset({"sender"})


def asks(mail: MailView, context: Context) -> bool:
    """Only what a stranger handed in."""
    return context.knowledge.is_stranger(mail)


async def check(mail: MailView, context: Context) -> Report:
    """Hits on every fail, forwarded mail included."""
    if not asks(mail, context):
        return MISS
    spf = await spf_of(mail, context)
    return hit(str(spf)) if spf.result is Result.FAIL else MISS
