"""Messages that `broken_form` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("broken_form", "NUL", a_message("x", "X-Y: a\0b")),
    Case("broken_form", "no boundary", a_message("x", content_type="multipart/mixed")),
)
MISSES = (Case("broken_form", "Latin-1 in the subject", a_message("x").replace(b"minutes", b"r\xe9sum\xe9")),)

test_hits, test_misses = filter_tests(HITS, MISSES)
