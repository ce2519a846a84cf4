"""Messages that `disguised_link` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import html
from tests.specimens.filter_cases import Case, filter_tests

ELSEWHERE = "https://elsewhere.example/login"


HITS = (Case("disguised_link", "another site", html(f'<a href="{ELSEWHERE}">https://www.bank.example.com/</a>')),)
MISSES = (
    Case("disguised_link", "a click counter", html('<a href="https://click.example.com/1">www.example.com</a>')),
    Case("disguised_link", "words", html(f'<a href="{ELSEWHERE}">read on. And more</a>')),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
