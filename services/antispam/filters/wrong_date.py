"""Detects a Date header that cannot be read, or lies more than a day in the future.

A date in the past is no sign: mail may wait for days, and be sent again after years.

See: RFC 5322 3.3.
"""

from __future__ import annotations

from datetime import timedelta

from libs.mail.dates import read_date
from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_TOLERANCE = timedelta(hours=26)  # a day, and two hours for clocks with a wrong time zone


async def check(mail: MailView, context: FilterContext) -> Report:
    text = mail.headers.get("Date")
    if not text:
        return MISS
    date = read_date(text)
    if date is None:
        return hit("the date cannot be read")
    ahead = date - mail.envelope.received_at
    return hit(f"{ahead.days} days in the future") if ahead > _TOLERANCE else MISS
