"""Messages that `html_only` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import html, multipart
from tests.specimens.filter_cases import Case, filter_tests

PLAIN = "Content-Type: text/plain\r\n\r\nsome words"
HTML = "Content-Type: text/html\r\n\r\n<p>some words</p>"


HITS = (
    Case("html_only", "no text", html("<p>some words</p>")),
    Case("html_only", "an empty text", multipart("Content-Type: text/plain\r\n\r\n \r\n", HTML)),
)
MISSES = (Case("html_only", "both", multipart(PLAIN, HTML)),)

test_hits, test_misses = filter_tests(HITS, MISSES)
