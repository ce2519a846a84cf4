"""Messages that `forged_received` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests, helo

HITS = (Case("forged_received", "our name", a_message("x", "Received: from a by mx.example.org; now")),)
MISSES = (
    Case("forged_received", "further down", a_message("x", "Received: by a.example", "Received: by mx.example.org")),
    Case(
        "forged_received",
        "a machine of ours",
        a_message("x", "Received: by mx.example.org"),
        helo("a", address="127.0.0.1"),
    ),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
