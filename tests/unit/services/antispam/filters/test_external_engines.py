"""Messages that the external engines hit, and messages that they leave alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from libs.envelope import Temporary
from services.antispam.chain import CHAIN
from services.antispam.engines.model import EngineResult
from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import plan
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT_POLICY
from tests.specimens.antispam import a_context, a_message, a_view, an_environment
from tests.specimens.filter_cases import STEPS, Case, filter_tests


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


def asking(engine: Engine) -> FilterContext:
    return a_context(environment=replace(an_environment(), engines={"spamassassin": engine, "rspamd": engine}))


HITS = (
    Case("spamassassin", "spam", context=lambda: asking(Engine(EngineResult(6.0, 5.0)))),
    Case("rspamd", "spam", context=lambda: asking(Engine(EngineResult(6.0, 5.0)))),
)
MISSES = (
    Case("spamassassin", "neither", context=lambda: asking(Engine(EngineResult(0.0, 5.0)))),
    Case("rspamd", "neither", context=lambda: asking(Engine(EngineResult(0.0, 5.0)))),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


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
