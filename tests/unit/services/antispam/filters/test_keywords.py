"""Messages that `keywords` hits, and messages that it leaves alone."""

from __future__ import annotations

from typing import Any

from services.antispam.policy.rules import KeywordRule
from tests.specimens.antispam import a_context, a_rulebook, a_view
from tests.specimens.filter_cases import STEPS, filter_tests, listed_cases, unlisted_cases

# It hits the plain honest message.
BOOK = a_rulebook(rules={"k": KeywordRule(pattern="(?i)minutes of OUR", score=3)})

HITS = listed_cases("keywords", BOOK)
MISSES = unlisted_cases("keywords", BOOK)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_keywords_add_up_the_scores_of_their_rules_in_every_area() -> None:
    rules: dict[str, Any] = {
        "in-subject": KeywordRule(pattern="^the minutes", area="subject", score=1),
        "in-headers": KeywordRule(pattern=r"(?m)^Message-ID: <1@", area="headers", score=2),
        "in-body": KeywordRule(pattern="Tuesday", score=-0.5),
        "off": KeywordRule(pattern="Tuesday", score=50, enabled=False),
        "not-there": KeywordRule(pattern="Wednesday", score=50),
    }
    report = await STEPS["keywords"].check(a_view(), a_context(a_rulebook(rules=rules)))
    assert report.strength == 2.5
    assert report.rules == ("in-subject", "in-headers", "in-body")
