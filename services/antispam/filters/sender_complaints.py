"""Detects a sender about whom several recipients complained; only a whitelist outweighs it.

The envelope sender counts, and the author if there is only one. A sender to whom users of the domain wrote is on the
automatic whitelist and exempt.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    if mail.is_submitted or "automatic_whitelist" in context.scores:
        return MISS
    for address in dict.fromkeys((mail.sender, *(mail.authors if len(mail.authors) == 1 else ()))):
        if address and (count := context.environment.complaints.about_sender(address)):
            return hit(f"{count} recipients complained about {address}")
    return MISS
