"""Messages that `image_text` hits, and messages that it leaves alone."""

from __future__ import annotations

from dataclasses import replace

from services.antispam.filtering.context import FilterContext
from services.antispam.images.model import ImageFacts
from services.antispam.policy.rules import KeywordRule
from tests.specimens.antispam import a_context, a_rulebook, a_view, an_environment
from tests.specimens.filter_cases import STEPS, Case, filter_tests
from tests.specimens.images import Reader, a_message_with

WITH_IMAGE = a_message_with(b"any octets")

WATCHES = KeywordRule(pattern="(?i)cheap watches", score=3)


def seeing(reader: Reader) -> FilterContext:
    book = replace(a_rulebook(rules={"watches": WATCHES}), images=frozenset({1}))
    return a_context(book, environment=replace(an_environment(), images=reader))


HITS = (Case("image_text", "a word", WITH_IMAGE, context=lambda: seeing(Reader([ImageFacts(text="cheap watches")]))),)
MISSES = (Case("image_text", "another word", WITH_IMAGE, context=lambda: seeing(Reader([ImageFacts(text="hello")]))),)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_text_in_images_goes_through_the_keywords_for_the_body() -> None:
    reader = Reader([ImageFacts(text="hello"), ImageFacts(text="Buy CHEAP watches")])
    report = await STEPS["image_text"].check(a_view(WITH_IMAGE), seeing(reader))
    assert (report.outcome, report.strength, report.rules) == ("hit", 3, ("watches",))
    spared = seeing(reader)
    spared.exempted = frozenset({"watches"})
    assert (await STEPS["image_text"].check(a_view(WITH_IMAGE), spared)).outcome == "miss"


async def test_no_image_is_read_without_need() -> None:
    reader = Reader([ImageFacts(1, "cheap watches")])
    check = STEPS["image_text"].check
    assert (await check(a_view(), seeing(reader))).outcome == "miss"  # no image in the message
    ruleless = a_context(environment=replace(an_environment(), images=reader))
    assert (await check(a_view(WITH_IMAGE), ruleless)).outcome == "miss"  # no rule
    assert (await check(a_view(WITH_IMAGE), a_context())).outcome == "miss"  # no reader
    reader.reads_text = False
    assert (await check(a_view(WITH_IMAGE), seeing(reader))).outcome == "miss"
    assert not reader.asked
