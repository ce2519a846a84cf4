"""Detects a sender whose domain many recipients complained about.

Honest senders share the domains of large providers, so it is a part of the sum only, which grows with the number of
complainants. Senders on the automatic whitelist are exempt.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    domain = mail.sender.rpartition("@")[2]
    if mail.is_submitted or not domain or "automatic_whitelist" in context.scores:
        return MISS
    complaints = context.environment.complaints
    if not (count := complaints.about_domain(domain)):
        return MISS
    return hit(f"{count} recipients complained about {domain}", complaints.strength("domain", count))
