"""Messages that `wrong_date` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("wrong_date", "no date", a_message(date="yesterday")),
    Case("wrong_date", "no such day", a_message(date="Thu, 31 Feb 2026 11:00:00 +0000")),
    Case("wrong_date", "next year", a_message(date="Fri, 01 Jan 2027 11:00:00 +0000")),
)
MISSES = (
    Case("wrong_date", "years ago", a_message(date="1 Jan 1999 11:00:00 -0800 (PST)")),
    Case("wrong_date", "two digits", a_message(date="Thu, 1 Jan 26 11:00 GMT")),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
