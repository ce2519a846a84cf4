"""Messages that `missing_date` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import SIGNED_IN, Case, filter_tests

HITS = (Case("missing_date", "none", a_message(without=("Date",))),)
MISSES = (Case("missing_date", "signed in", a_message(without=("Date",)), SIGNED_IN),)

test_hits, test_misses = filter_tests(HITS, MISSES)
