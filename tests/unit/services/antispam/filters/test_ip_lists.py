"""Messages that the lists of addresses hit, and messages that they leave alone."""

from __future__ import annotations

from tests.specimens.antispam import a_context, a_rulebook
from tests.specimens.filter_cases import SIGNED_IN, Case, filter_tests, listed_cases, unlisted_cases

# It hits the plain honest message.
WHITE = a_rulebook(white=("192.0.2.0/24", "2001:db8::/32"))

# It hits the plain honest message.
BLACK = a_rulebook(black=("192.0.2.1",))

HITS = (
    *listed_cases("ip_whitelist", WHITE),
    *listed_cases("ip_blacklist", BLACK),
)
MISSES = (
    *unlisted_cases("ip_whitelist", WHITE),
    *unlisted_cases("ip_blacklist", BLACK),
    Case("ip_whitelist", "signed in", None, SIGNED_IN, lambda: a_context(WHITE)),
    Case("ip_blacklist", "signed in", None, SIGNED_IN, lambda: a_context(BLACK)),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
