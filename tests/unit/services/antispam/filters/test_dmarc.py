"""Messages that `dmarc` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.filter_cases import Case, filter_tests
from tests.specimens.signed_mail import resolving

FAILS = 'elsewhere.example TXT "v=spf1 -all"'
REJECT = '_dmarc.elsewhere.example TXT "v=DMARC1; p=reject"'


HITS = (Case("dmarc", "SPF fails", context=lambda: resolving(REJECT, FAILS)),)
MISSES = (Case("dmarc", "no policy", context=lambda: resolving(FAILS)),)

test_hits, test_misses = filter_tests(HITS, MISSES)
