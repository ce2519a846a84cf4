"""Detects a message of a stranger that names one of its recipients as its sender or author.

An authenticated client may write to itself. From outside it is a forgery, or a mailing list that keeps the author
(RFC 2919).

See: RFC 2919.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"recipients"})


async def check(mail: MailView, context: FilterContext) -> Report:
    if mail.is_submitted or _is_from_list(mail):
        return MISS
    recipients = {(to.original or to.address).lower() for to in mail.envelope.recipients}
    if mail.sender in recipients:
        return hit("the envelope sender is a recipient")
    if any(author in recipients for author in mail.authors):
        return hit("the author is a recipient", 0.6)
    return MISS


def _is_from_list(mail: MailView) -> bool:
    """RFC 2919: what one wrote to a list comes back to oneself, with the list as envelope sender."""
    return "List-Id" in mail.headers and mail.sender not in mail.authors
