"""The owner of the sender's domain says nothing about the peer (R-SPAM-04, RFC 7208 8.1, 8.2)."""

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
    """8.2: neutral is treated as none is."""
    if not needs_lookup(mail, context):
        return MISS
    spf = await spf_of(mail, context)
    return hit(f"{spf.domain}: {spf.reason}") if spf.result in (SpfResult.NONE, SpfResult.NEUTRAL) else MISS
