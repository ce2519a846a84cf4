"""Filters whose word comes from outside: external engines, and what was read in images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from libs.envelope import Temporary
from services.antispam.chain import CHAIN
from services.antispam.engines.circuit_breaker import CircuitBreaker
from services.antispam.engines.model import EngineResult
from services.antispam.filtering.context import Context
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import plan
from services.antispam.images.model import ImageFacts
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT_POLICY
from services.antispam.policy.rules import KeywordRule
from tests.specimens.antispam import a_context, a_message, a_rulebook, a_view, an_environment
from tests.specimens.images import a_message_with

STEPS = {step.name: step for step in CHAIN}
WITH_IMAGE = a_message_with(b"any octets")
WATCHES = KeywordRule(pattern="(?i)cheap watches", score=3)


@dataclass
class Engine:
    """Says what it is told to, or fails."""

    says: EngineResult | None
    limit_bytes: int = 10_000
    asked: int = 0

    async def scan(self, mail: MailView) -> EngineResult:
        self.asked += 1
        if self.says is None:
            raise Temporary("it is dead")
        return self.says

    async def close(self) -> None: ...


@dataclass
class Reader:
    """Has read the images already."""

    found: Sequence[ImageFacts]
    reads_text: bool = True
    distance: int = 6
    asked: list[int] = field(default_factory=list)

    async def read_images(self, mail: MailView) -> Sequence[ImageFacts]:
        self.asked.append(len(mail.raw))
        return self.found


def asking(engine: Engine) -> Context:
    return a_context(environment=replace(an_environment(), engines={"spamassassin": engine, "rspamd": engine}))


def seeing(reader: Reader, *known: int) -> Context:
    book = replace(a_rulebook(rules={"watches": WATCHES}), images=frozenset(known))
    return a_context(book, environment=replace(an_environment(), images=reader))


@pytest.mark.parametrize("name", ["spamassassin", "rspamd"])
@pytest.mark.parametrize(
    ("opinion", "strength"),
    [
        (EngineResult(5.0, 5.0, ("A", "B")), 1.0),
        (EngineResult(2.5, 5.0), 0.5),
        (EngineResult(1000.0, 5.0), 2.0),  # SpamAssassin's own specimen has a thousand points
        (EngineResult(-1.0, 5.0), -0.2),
        (EngineResult(-100.0, 5.0), -0.5),
    ],
)
async def test_an_engine_weighs_by_its_own_threshold_and_within_bounds(
    name: str, opinion: EngineResult, strength: float
) -> None:
    report = await STEPS[name].check(a_view(), asking(Engine(opinion)))
    assert (report.outcome, report.strength) == ("hit", strength)
    assert report.reason.startswith(f"{opinion.score:g} of 5: {', '.join(opinion.symbols)}")


@pytest.mark.parametrize("name", ["spamassassin", "rspamd"])
async def test_an_engine_is_asked_when_it_is_configured_and_takes_the_size(name: str) -> None:
    engine = Engine(EngineResult(0.0, 5.0))
    needs_lookup = STEPS[name].needs_lookup
    assert needs_lookup is not None
    assert needs_lookup(a_view(), asking(engine))
    assert not needs_lookup(a_view(a_message("x" * 10_000)), asking(engine))
    assert not needs_lookup(a_view(), a_context())
    assert (await STEPS[name].check(a_view(), asking(engine))).outcome == "miss"  # it has nothing to say
    assert (await STEPS[name].check(a_view(a_message("x" * 10_000)), asking(engine))).outcome == "miss"
    assert (await STEPS[name].check(a_view(), a_context())).outcome == "miss"
    assert engine.asked == 1


async def test_a_dead_engine_is_a_finding_and_the_chain_goes_on() -> None:
    context = asking(Engine(None))
    judgement = await Runner(CHAIN).run(a_view(), context, plan(CHAIN, DEFAULT_POLICY))
    errors = {
        result.step.name: result.report.reason for result in judgement.results if result.report.outcome == "error"
    }
    assert errors == {"spamassassin": "it is dead", "rspamd": "it is dead"}
    assert judgement.results[-1].step.name == "logic"


async def test_an_engine_rests_after_three_failures_and_is_tried_by_one_message_then() -> None:
    now = 0.0
    engine = Engine(None)
    breaker = CircuitBreaker(engine, cooldown=timedelta(seconds=30), monotonic=lambda: now)
    for asked in (1, 2, 3, 3, 3):
        with pytest.raises(Temporary, match="it is dead"):
            await breaker.scan(a_view())
        assert engine.asked == asked
    now = 31.0
    engine.says = EngineResult(1.0, 5.0)
    assert await breaker.scan(a_view()) == engine.says
    assert await breaker.scan(a_view()) == engine.says
    assert engine.asked == 5


async def test_text_in_images_goes_through_the_keywords_for_the_body() -> None:
    reader = Reader([ImageFacts(text="hello"), ImageFacts(text="Buy CHEAP watches")])
    report = await STEPS["image_text"].check(a_view(WITH_IMAGE), seeing(reader))
    assert (report.outcome, report.strength, report.rules) == ("hit", 3, ("watches",))
    spared = seeing(reader)
    spared.exempted = frozenset({"watches"})
    assert (await STEPS["image_text"].check(a_view(WITH_IMAGE), spared)).outcome == "miss"


@pytest.mark.parametrize(
    ("fingerprint", "outcome"),
    [(0x0123456789ABCDEF, "hit"), (0x0123456789ABCDE0, "hit"), (0x0123456789ABCD00, "miss"), (None, "miss")],
)
async def test_an_image_that_differs_in_few_bits_is_the_known_one(fingerprint: int | None, outcome: str) -> None:
    context = seeing(Reader([ImageFacts(), ImageFacts(fingerprint)]), 0x0123456789ABCDEF, 0xFFFF)
    report = await STEPS["image_fingerprint"].check(a_view(WITH_IMAGE), context)
    assert report.outcome == outcome
    assert ("0123456789abcdef" in report.reason) == (outcome == "hit")


@pytest.mark.parametrize("name", ["image_text", "image_fingerprint"])
async def test_no_image_is_looked_at_without_need(name: str) -> None:
    reader = Reader([ImageFacts(1, "cheap watches")])
    check = STEPS[name].check
    assert (await check(a_view(), seeing(reader, 1))).outcome == "miss"  # no image in the message
    unruly = a_context(environment=replace(an_environment(), images=reader))
    assert (await check(a_view(WITH_IMAGE), unruly)).outcome == "miss"  # no rule, no known image
    assert (await check(a_view(WITH_IMAGE), a_context())).outcome == "miss"
    assert not reader.asked
    reader.reads_text = False
    assert (await STEPS["image_text"].check(a_view(WITH_IMAGE), seeing(reader))).outcome == "miss"
    assert not reader.asked
