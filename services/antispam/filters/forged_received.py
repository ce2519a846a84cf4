"""A Received header claims that we took the message before, which we did not write (R-SPAM-29, RFC 5321 4.4)."""

from __future__ import annotations

import re

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_BY = re.compile(r"\bby\s+([a-z0-9.-]{1,255})", re.IGNORECASE)


async def check(mail: MailView, context: Context) -> Report:
    """From a stranger only: our own machines, and our users' forwards that come back, went through us in truth."""
    peer, environment = mail.peer, context.environment
    if peer is None or environment.trusts(peer):
        return MISS
    for value in mail.headers.all("Received")[:1]:
        # The topmost alone: it is the hop before this one, and that was the stranger.
        match = _BY.search(value[:2000])
        if match and match[1].lower().rstrip(".") in environment.own_names:
            return hit(f"the last hop claims to be {match[1]}, at {peer}")
    return MISS
