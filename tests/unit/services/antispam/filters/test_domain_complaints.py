"""Messages that `domain_complaints` hits, and messages that it leaves alone."""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from tests.specimens.filter_cases import OTHER, OTHER_WAY, SIGNED_IN, Case, complained_about, filter_tests


def complained() -> FilterContext:
    return complained_about("domain", "elsewhere.example")


HITS = (Case("domain_complaints", "complained about", context=complained),)
MISSES = (
    Case("domain_complaints", "another", OTHER, OTHER_WAY, complained),
    Case("domain_complaints", "signed in", None, {"mail_from": "jean@elsewhere.example", **SIGNED_IN}, complained),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
