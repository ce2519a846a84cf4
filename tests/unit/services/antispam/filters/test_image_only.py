"""Messages that `image_only` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import html
from tests.specimens.filter_cases import Case, filter_tests

HITS = (Case("image_only", "no words", html('<a href="http://a.example"><img src="http://a.example/x.png"></a>')),)
MISSES = (Case("image_only", "a picture in a text", html('<img src="a">' + "some words " * 20)),)

test_hits, test_misses = filter_tests(HITS, MISSES)
