"""The Date field of a message (RFC 5322 3.3), read as tolerantly as mail clients do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from libs.mail.parameters import without_comments

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Nearly every Date there is; the standard library reads the others, ten times slower.
_USUAL = re.compile(
    rf"(?:[A-Z][a-z][a-z], )?([0-9]{{1,2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
_READ = 1000  # characters: comments may be long, a date is not
_AROUND_COLON = re.compile(r"\s*+:\s*+")


def read_date(text: str) -> datetime | None:
    """The moment in UTC; None if it cannot be read. The zone `-0000` says that it is unknown; UTC will do."""
    try:
        if usual := _USUAL.match(text):
            return _read_usual(usual)
        date = parsedate_to_datetime(_plain(text))
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # the standard library raises all of these
        return None


def _plain(text: str) -> str:
    """RFC 5322 4.3 and A.6.3: comments and white space may stand between any two tokens."""
    words = " ".join(without_comments(text[:_READ]).split()).replace(" ,", ",")
    return _AROUND_COLON.sub(":", words)[:100]


def _read_usual(match: re.Match[str]) -> datetime:
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    local = datetime(
        int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC
    )  # fmt: skip
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    return local - offset if sign == "+" else local + offset
