"""The whole offline chain over messages made to hurt it: no filter raises, and memory stays within bounds.

How long each takes stands in the table of `make evaluate`; here only what would never end fails, by the time limit.
"""

from __future__ import annotations

import tracemalloc

import pytest

from services.antispam.chain import CHAIN
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import plan
from services.antispam.policy.policy import DEFAULT_POLICY
from services.antispam.policy.rules import AnyRule, KeywordRule, LogicRule
from tests.specimens.antispam import a_context, a_rulebook, a_view
from tests.specimens.hostile import HOSTILE

MEMORY_OCTETS = 20 * 1024 * 1024
RULES: dict[str, AnyRule] = {
    "bomb": KeywordRule(pattern="(a+)+$"),
    "bomb-in-subject": KeywordRule(pattern="(a|aa)+$", area="subject"),
    "bomb-in-headers": KeywordRule(pattern=r"(.*a){12}$", area="headers"),
    "logic": LogicRule(expression="size > 1 and subject != author"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
async def test_the_chain_survives(name: str) -> None:
    raw = HOSTILE[name]
    context = a_context(a_rulebook(rules=RULES))
    offline = [planned for planned in plan(CHAIN, DEFAULT_POLICY) if planned.step.deadline is None]
    tracemalloc.start()
    try:
        judgement = await Runner(CHAIN).run(a_view(raw), context, offline)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [result.step.name for result in judgement.results if result.report.outcome == "error"] == []
    assert judgement.results[-1].step.name == "logic"
    assert peak < MEMORY_OCTETS
