"""Detects a header field that occurs twice though it may occur once, or authors of several domains without a Sender.

More than one author needs a Sender field (RFC 5322 3.6.2); without it, authors of two domains are a forgery.

See: RFC 5322 3.6, RFC 5322 3.6.2.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

# One reader shows the first of two, another checks the last: the classic way to show a forged author.
_ONCE = ("From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID")


async def check(mail: MailView, context: FilterContext) -> Report:
    twice = [name for name in _ONCE if mail.headers.count(name) > 1]
    if twice:
        return hit(f"more than one {', '.join(twice)} header", 1.0 if "From" in twice else 0.6)
    domains = {author.rpartition("@")[2] for author in mail.authors}
    if len(domains) > 1 and "Sender" not in mail.headers:
        return hit("authors of several domains and no Sender")
    return MISS
