"""Messages that `shouting_subject` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("shouting_subject", "capitals", a_message(subject="YOU HAVE WON THE LOTTERY")),
    Case("shouting_subject", "marks", a_message(subject="you have won!!!")),
)
MISSES = (Case("shouting_subject", "an abbreviation", a_message(subject="RE: RFC 5322 and MIME")),)

test_hits, test_misses = filter_tests(HITS, MISSES)
