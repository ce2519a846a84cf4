"""Messages that `same_sender_recipient` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import SIGNED_IN, Case, filter_tests

HITS = (
    Case("same_sender_recipient", "envelope", None, {"mail_from": "Marie@example.org"}),
    Case("same_sender_recipient", "author", a_message(**{"from": "marie@EXAMPLE.org"})),
)
MISSES = (
    Case("same_sender_recipient", "signed in", None, {"mail_from": "marie@example.org", **SIGNED_IN}),
    Case("same_sender_recipient", "a list", a_message("x", "List-Id: <l.example>", **{"from": "marie@example.org"})),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
