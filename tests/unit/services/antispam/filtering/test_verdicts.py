"""The verdict in the convention of the domain."""

from __future__ import annotations

import pytest

from services.antispam.message.report import hit
from services.antispam.policy.policy import Policy
from tests.specimens.steps import a_step, judged


@pytest.mark.parametrize(
    ("strength", "spam", "score"), [(1.5, True, -0.01), (1.4999, False, 0.0), (3, True, -7.5), (0, False, 7.5)]
)
async def test_below_zero_is_the_same_decision_in_other_figures(strength: float, spam: bool, score: float) -> None:
    below = Policy(convention="below_zero")
    for policy in (below, Policy()):
        _, verdict, _ = await judged(a_step("a", hit("", strength)), policy=policy)
        assert verdict.spam is spam
        if policy is below:
            assert (verdict.score, verdict.required) == (score, 0.0)
            assert verdict.tests[0].score == round(-5 * strength, 2)
