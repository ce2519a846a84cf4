"""Messages that `dkim` hits, and messages that it leaves alone."""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from tests.specimens.filter_cases import Case, filter_tests
from tests.specimens.signed_mail import signed, with_key


def own_key() -> FilterContext:
    return with_key("elsewhere.example")


HITS = (Case("dkim", "a changed body", signed() + b"more\r\n", context=own_key),)
MISSES = (
    Case("dkim", "as it was signed", signed(), context=own_key),
    Case("dkim", "no signature"),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
