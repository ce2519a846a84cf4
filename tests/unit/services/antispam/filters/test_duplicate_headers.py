"""Messages that `duplicate_headers` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("duplicate_headers", "two authors", a_message("x", "From: boss@example.org")),
    Case("duplicate_headers", "two subjects", a_message("x", "Subject: another")),
    Case("duplicate_headers", "two domains", a_message(**{"from": "a@x.example, b@y.example"})),
)
MISSES = (
    Case("duplicate_headers", "two received", a_message("x", "Received: a", "Received: b")),
    Case(
        "duplicate_headers",
        "a sender for two",
        a_message("x", "Sender: a@x.example", **{"from": "a@x.example, b@y.example"}),
    ),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
