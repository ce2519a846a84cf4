"""Detects a topmost Received header that claims to be written by this site though it was not.

Only mail of strangers is judged: mail of our own machines, and forwards of our users that come back, did pass here.

See: RFC 5321 4.4.
"""

from __future__ import annotations

import re

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_BY = re.compile(r"\bby\s+([a-z0-9.-]{1,255})", re.IGNORECASE)


async def check(mail: MailView, context: FilterContext) -> Report:
    peer, environment = mail.peer, context.environment
    if peer is None or environment.trusts(peer):
        return MISS
    for value in mail.headers.all("Received")[:1]:
        # The topmost alone: it is the hop before this one, and that was the stranger.
        match = _BY.search(value[:2000])
        if match and match[1].lower().rstrip(".") in environment.own_names:
            return hit(f"the last hop claims to be {match[1]}, at {peer}")
    return MISS
