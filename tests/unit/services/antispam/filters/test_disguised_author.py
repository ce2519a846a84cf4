"""Messages that `disguised_author` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (Case("disguised_author", "an address", a_message(**{"from": '"boss@example.org" <x@elsewhere.example>'})),)
MISSES = (
    Case(
        "disguised_author",
        "its own address",
        a_message(**{"from": '"jean@elsewhere.example" <jean@elsewhere.example>'}),
    ),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
