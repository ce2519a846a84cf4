"""Messages that `hidden_characters` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests

HITS = (
    Case("hidden_characters", "zero widths", a_message("v\u200bi\u200ba\u200bgra")),
    Case("hidden_characters", "two scripts", a_message("p\u0430ypal p\u0430ypal p\u0430ypal")),
)
MISSES = (
    Case("hidden_characters", "a soft hyphen", a_message("Donau\u00addampfschiff")),
    Case("hidden_characters", "Persian", a_message("می\u200cخواهم می\u200cخواهم می\u200cخواهم")),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
