"""Messages that `arc` hits, and messages that it leaves alone."""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from tests.specimens.filter_cases import Case, filter_tests
from tests.specimens.signed_mail import sealed, with_key


def trusting() -> FilterContext:
    return with_key("lists.example", trusted="lists.example")


HITS = (Case("arc", "a trusted sealer", sealed(), context=trusting),)
MISSES = (
    Case("arc", "another sealer", sealed(), context=lambda: with_key("lists.example")),
    Case("arc", "no seal", context=trusting),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
