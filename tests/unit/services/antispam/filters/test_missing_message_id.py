"""Messages that `missing_message_id` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import SIGNED_IN, Case, filter_tests

HITS = (
    Case("missing_message_id", "none", a_message(without=("Message-ID",))),
    Case("missing_message_id", "no form", a_message(message_id="12345")),
)
MISSES = (Case("missing_message_id", "signed in", a_message(without=("Message-ID",)), SIGNED_IN),)

test_hits, test_misses = filter_tests(HITS, MISSES)
