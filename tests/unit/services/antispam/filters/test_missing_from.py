"""Messages that `missing_from` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("missing_from", "none", a_message(without=("From",))),
    Case("missing_from", "no address", a_message(**{"from": "Jean"})),
)
MISSES = (Case("missing_from", "a bare address", a_message(**{"from": "jean@elsewhere.example"})),)

test_hits, test_misses = filter_tests(HITS, MISSES)
