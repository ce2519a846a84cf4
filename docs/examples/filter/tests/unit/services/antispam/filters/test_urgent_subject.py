"""Messages that `urgent_subject` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("urgent_subject", "a threat", a_message(subject="LAST WARNING: your mailbox is full")),
    Case("urgent_subject", "a term", a_message(subject="Confirm within 24 hours")),
)
MISSES = (
    Case("urgent_subject", "a longer word", a_message(subject="Urgently needed: more tea")),
    Case("urgent_subject", "an answer", a_message(subject="Re: urgent")),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
