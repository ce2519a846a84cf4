"""Messages that `logic` hits, and messages that it leaves alone."""

from __future__ import annotations

from services.antispam.policy.rules import LogicRule
from tests.specimens.antispam import a_rulebook
from tests.specimens.filter_cases import filter_tests, listed_cases, unlisted_cases

# It hits the plain honest message.
BOOK = a_rulebook(rules={"l": LogicRule(expression='author_domain == "elsewhere.example" and size < 9999')})

HITS = listed_cases("logic", BOOK)
MISSES = unlisted_cases("logic", BOOK)

test_hits, test_misses = filter_tests(HITS, MISSES)
