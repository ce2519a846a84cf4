"""Messages that `keyword_exceptions` hits, and messages that it leaves alone."""

from __future__ import annotations

from services.antispam.policy.rules import ExceptionRule
from tests.specimens.antispam import a_rulebook
from tests.specimens.filter_cases import filter_tests, listed_cases, unlisted_cases

# It hits the plain honest message.
BOOK = a_rulebook(rules={"e": ExceptionRule(pattern="meeting", area="subject", spares=("keywords",))})

HITS = listed_cases("keyword_exceptions", BOOK)
MISSES = unlisted_cases("keyword_exceptions", BOOK)

test_hits, test_misses = filter_tests(HITS, MISSES)
