"""Messages that `sender_blacklist` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_rulebook
from tests.specimens.filter_cases import filter_tests, listed_cases, unlisted_cases

# It hits the plain honest message.
BOOK = a_rulebook(black=("JEAN@elsewhere.example",))

HITS = listed_cases("sender_blacklist", BOOK)
MISSES = unlisted_cases("sender_blacklist", BOOK)

test_hits, test_misses = filter_tests(HITS, MISSES)
