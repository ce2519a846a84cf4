"""The peer is blacklisted for a short time: it fell into a honeypot or abused signing in (R-SPAM-01)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """Ingress refuses such peers at connect; this stops what was already on its way."""
    if mail.peer is None:
        return MISS
    reason = context.environment.peers.reason(mail.peer, context.now)
    return MISS if reason is None else hit(f"{mail.peer}: {reason}")
