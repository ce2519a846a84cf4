"""Detects an empty envelope sender on a message that is no notification.

A bounce has one recipient, the sender of the message that could not be delivered, and says that it is automatic.

See: RFC 5321 4.5.5, RFC 3834 5, RFC 6522.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"sender"})

# RFC 3464 (delivery), RFC 8098 (reading) and RFC 5965 (abuse) are all multipart/report (RFC 6522).
_REPORT = "multipart/report"
_NOTIFIERS = ("mailer-daemon@", "postmaster@")


async def check(mail: MailView, context: FilterContext) -> Report:
    if mail.sender or mail.is_submitted:
        return MISS
    recipients = len(mail.envelope.recipients)
    if recipients > 1:
        return hit(f"no sender, {recipients} recipients")
    return MISS if _is_notification(mail) else hit("no sender, and no notification")


def _is_notification(mail: MailView) -> bool:
    # RFC 3834 5: anything but `no` is an automatic answer.
    automatic = (mail.headers.get("Auto-Submitted") or "no").strip().lower()
    return (
        mail.message.root.content_type == _REPORT
        or automatic.startswith("auto-")
        or any(author.startswith(_NOTIFIERS) for author in mail.authors)
    )
