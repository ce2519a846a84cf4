"""Messages that `bayes` hits, and messages that it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.antispam.filtering.context import FilterContext
from services.antispam.learning.classifier import BayesScore
from services.antispam.message.mail_view import MailView
from tests.specimens.antispam import a_context, an_environment
from tests.specimens.filter_cases import Case, filter_tests


@dataclass(frozen=True)
class Statistics:
    log_odds: float

    def judge(self, mail: MailView, domain: str) -> BayesScore:
        return BayesScore(self.log_odds, 0.5, 20)


def knowing(log_odds: float) -> FilterContext:
    return a_context(environment=replace(an_environment(), statistics=Statistics(log_odds)))


HITS = (
    Case("bayes", "spam", context=lambda: knowing(3.0)),
    Case("bayes", "ham", context=lambda: knowing(-3.0)),
)
MISSES = (
    Case("bayes", "undecided", context=lambda: knowing(0.0)),
    Case("bayes", "nothing was learned"),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
