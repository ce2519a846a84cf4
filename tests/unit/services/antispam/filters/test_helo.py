"""Messages that `helo` hits, and messages that it leaves alone."""

from __future__ import annotations

import pytest

from libs.envelope import Temporary
from tests.specimens.filter_cases import SIGNED_IN, Case, filter_tests, helo, report_on

HITS = (
    Case("helo", "our own name", None, helo("MX.example.org.")),
    Case("helo", "a bare address", None, helo("192.0.2.1")),
    Case("helo", "somebody else's address", None, helo("[192.0.2.2]")),
    Case("helo", "no dot", None, helo("friend")),
    Case("helo", "nothing", None, helo("")),
    Case("helo", "no host name", None, helo("<script>.example")),
    Case("helo", "somebody else's name", None, helo("www.example.com", address="192.0.2.2")),
    Case("helo", "a name that leads elsewhere", None, helo("mail.elsewhere.example", address="192.0.2.67")),
)
MISSES = (
    Case("helo", "its own address", None, helo("[192.0.2.1]")),
    Case("helo", "its own IPv6 address", None, helo("[IPv6:2001:db8::1]", address="2001:db8::1")),
    Case("helo", "its own name", None, helo("mx.elsewhere.example")),
    Case("helo", "the confirmed name's domain", None, helo("mail.elsewhere.example")),
    Case("helo", "a machine of ours", None, helo("friend", address="127.0.0.1")),
    Case("helo", "a signed-in client", None, SIGNED_IN),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_a_question_that_nobody_answers_is_temporary_and_says_why() -> None:
    with pytest.raises(Temporary, match=r"silent\.example"):
        await report_on(Case("helo", "no answer", None, helo("silent.example")))
