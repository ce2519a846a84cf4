"""Messages that `sender_whitelist` hits, and messages that it leaves alone."""

from __future__ import annotations

from services.antispam.policy.policy import Policy
from tests.specimens.antispam import a_context, a_message, a_rulebook, a_view
from tests.specimens.filter_cases import STEPS, filter_tests, listed_cases, unlisted_cases

# It hits the plain honest message.
BOOK = a_rulebook(white=("elsewhere.example",))

HITS = listed_cases("sender_whitelist", BOOK)
MISSES = unlisted_cases("sender_whitelist", BOOK)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_a_whitelist_says_whether_it_was_the_envelope_or_the_header() -> None:
    check, book = STEPS["sender_whitelist"].check, BOOK
    header_only = {"mail_from": "bounce@other.example"}
    assert (await check(a_view(), a_context(book))).reason == "envelope sender, listed as elsewhere.example"
    assert (await check(a_view(**header_only), a_context(book))).reason == "From header, listed as elsewhere.example"
    strict = a_context(book, policy=Policy(whitelist_from_header=False))
    assert (await check(a_view(**header_only), strict)).outcome == "miss"
    two = a_message(**{"from": "x@evil.example, jean@elsewhere.example"})
    assert (await check(a_view(two, **header_only), a_context(book))).outcome == "miss"
