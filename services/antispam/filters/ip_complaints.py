"""Detects a peer about whose mail several recipients complained.

A large provider has good and bad customers, so it is a part of the sum only, which grows with the number of
complainants.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    complaints = context.environment.complaints
    if mail.peer is None or not (count := complaints.about_peer(mail.peer)) or context.environment.trusts(mail.peer):
        return MISS
    return hit(f"{count} recipients complained about {mail.peer}", complaints.strength("peer", count))
