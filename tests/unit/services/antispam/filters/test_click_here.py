"""Messages that `click_here` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import html
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("click_here", "English", html('<a href="http://a.example">Click <b>here</b> now!</a>')),
    Case("click_here", "French", html('<a href="http://a.example">&gt;&gt; Cliquez ici</a>')),
)
MISSES = (Case("click_here", "in prose", html('Click here: <a href="http://a.example">the minutes</a>')),)

test_hits, test_misses = filter_tests(HITS, MISSES)
