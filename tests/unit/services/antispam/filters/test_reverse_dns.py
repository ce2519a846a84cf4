"""Messages that `reverse_dns` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.filter_cases import Case, filter_tests, helo

HITS = (
    Case("reverse_dns", "no name", None, helo("x", address="192.0.2.2")),
    Case("reverse_dns", "no name in IPv6", None, helo("x", address="2001:db8::2")),
    Case("reverse_dns", "the name of another", None, helo("x", address="192.0.2.67")),
)
MISSES = (
    Case("reverse_dns", "confirmed"),
    Case("reverse_dns", "a machine of ours", None, helo("x", address="127.0.0.2")),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
