"""Messages that `dnsbl` hits, and messages that it leaves alone."""

from __future__ import annotations

import pytest

from libs.envelope import Temporary
from tests.specimens.filter_cases import Case, filter_tests, helo, report_on

HITS = (
    Case("dnsbl", "one of two", None, helo("x", address="192.0.2.66")),
    Case("dnsbl", "in nibbles", None, helo("x", address="2001:db8::66")),
)
MISSES = (
    Case("dnsbl", "on none"),
    Case("dnsbl", "a list that became a parked domain", None, helo("x", address="192.0.2.67")),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


@pytest.mark.parametrize(("address", "why"), [("192.0.2.68", "it refuses our questions"), ("192.0.2.69", "no answer")])
async def test_a_list_that_does_not_answer_is_temporary_and_named(address: str, why: str) -> None:
    with pytest.raises(Temporary, match=r"one\.bl\.example"):
        await report_on(Case("dnsbl", why, None, helo("x", address=address)))
