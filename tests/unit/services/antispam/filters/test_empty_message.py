"""Messages that `empty_message` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message, html, multipart
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("empty_message", "nothing at all", b""),
    Case("empty_message", "a subject only", a_message(" \r\n\r\n")),
    Case("empty_message", "tags without text", html("<html><body><p>&nbsp;</p></body></html>")),
)
MISSES = (
    Case("empty_message", "an image", html('<img src="cid:1">')),
    Case("empty_message", "a file", multipart("Content-Type: application/pdf\r\n\r\n%PDF", subtype="mixed")),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
