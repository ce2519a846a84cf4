"""The Date header cannot be read, or lies more than a day in the future (R-SPAM-29, RFC 5322 3.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.report import MISS, Report, hit

_TOLERANCE = timedelta(hours=26)  # a day, and a clock that forgot its time zone


async def check(mail: MailView, context: Context) -> Report:
    """The past says nothing: mail may wait for days, and be sent again after years."""
    text = mail.headers.get("Date")
    if not text:
        return MISS
    date = _read(text[:100])
    if date is None:
        return hit("the date cannot be read")
    ahead = date - mail.envelope.received_at
    return hit(f"{ahead.days} days in the future") if ahead > _TOLERANCE else MISS


def _read(text: str) -> datetime | None:
    """RFC 5322 3.3: `-0000` says that the zone is unknown; UTC will do."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
