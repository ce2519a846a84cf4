"""Messages that `cyrillic` and `han` hit, and messages that they leave alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("cyrillic", "a letter", a_message("Здравствуйте, дорогая Мария")),
    Case("cyrillic", "the subject", a_message("hi", subject="=?utf-8?b?0JfQtNGA0LDQstGB0YLQstGD0LnRgtC1?=")),
    Case("han", "a letter", a_message("亲爱的玛丽，这是会议记录")),
)
MISSES = (
    Case("cyrillic", "a name in passing", a_message("our colleague Иван sends his best wishes to everybody")),
    Case("han", "Cyrillic", a_message("Здравствуйте, дорогая Мария")),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
