"""Messages that `image_fingerprint` hits, and messages that it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.antispam.filtering.context import FilterContext
from services.antispam.images.model import ImageFacts
from tests.specimens.antispam import a_context, a_rulebook, a_view, an_environment
from tests.specimens.filter_cases import STEPS, Case, filter_tests
from tests.specimens.images import Reader, a_message_with

WITH_IMAGE = a_message_with(b"any octets")

KNOWN = 0x0123456789ABCDEF


def seeing(reader: Reader, *known: int) -> FilterContext:
    book = replace(a_rulebook(), images=frozenset(known))
    return a_context(book, environment=replace(an_environment(), images=reader))


HITS = (
    Case("image_fingerprint", "one bit", WITH_IMAGE, context=lambda: seeing(Reader([ImageFacts(KNOWN ^ 1)]), KNOWN)),
)
MISSES = (
    Case(
        "image_fingerprint",
        "another",
        WITH_IMAGE,
        context=lambda: seeing(Reader([ImageFacts(~KNOWN & 2**64 - 1)]), KNOWN),
    ),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


@pytest.mark.parametrize(
    ("fingerprint", "outcome"),
    [(0x0123456789ABCDEF, "hit"), (0x0123456789ABCDE0, "hit"), (0x0123456789ABCD00, "miss"), (None, "miss")],
)
async def test_an_image_that_differs_in_few_bits_is_the_known_one(fingerprint: int | None, outcome: str) -> None:
    context = seeing(Reader([ImageFacts(), ImageFacts(fingerprint)]), 0x0123456789ABCDEF, 0xFFFF)
    report = await STEPS["image_fingerprint"].check(a_view(WITH_IMAGE), context)
    assert report.outcome == outcome
    assert ("0123456789abcdef" in report.reason) == (outcome == "hit")


async def test_no_image_is_read_without_need() -> None:
    reader = Reader([ImageFacts(1, "cheap watches")])
    check = STEPS["image_fingerprint"].check
    assert (await check(a_view(), seeing(reader, 1))).outcome == "miss"  # no image in the message
    assert (await check(a_view(WITH_IMAGE), seeing(reader))).outcome == "miss"  # no known image
    assert (await check(a_view(WITH_IMAGE), a_context())).outcome == "miss"  # no reader
    assert not reader.asked
