"""Messages that `missing_recipients` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (Case("missing_recipients", "none", a_message(without=("To",))),)
MISSES = (Case("missing_recipients", "only Cc", a_message("x", "Cc: m@example.org", without=("To",))),)

test_hits, test_misses = filter_tests(HITS, MISSES)
