"""Detects a peer that is refused for a short time, because it wrote to a honeypot or guessed passwords.

Ingress refuses such peers when they connect; this filter stops the mail that was already on its way.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    if mail.peer is None:
        return MISS
    reason = context.environment.peers.reason(mail.peer, context.now)
    return MISS if reason is None else hit(f"{mail.peer}: {reason}")
