"""Messages that `automatic_whitelist` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import SIGNED_IN, Case, filter_tests

HITS = (
    Case("automatic_whitelist", "validated", None, {"mail_from": "Validated@elsewhere.example"}),
    Case("automatic_whitelist", "the author", a_message(**{"from": "once@elsewhere.example"})),
)
MISSES = (
    Case("automatic_whitelist", "a stranger"),
    Case("automatic_whitelist", "our own domain", None, {"mail_from": "boss@example.org"}),
    Case("automatic_whitelist", "signed in", None, {"mail_from": "validated@elsewhere.example", **SIGNED_IN}),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
