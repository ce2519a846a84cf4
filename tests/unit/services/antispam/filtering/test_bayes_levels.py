"""Seven levels, one growing weight."""

import pytest

from services.antispam.chain import CHAIN
from services.antispam.filtering.bayes_levels import level_of, strength_of
from services.antispam.policy.policy import DEFAULT_POLICY


@pytest.mark.parametrize(
    ("log_odds", "level"),
    [
        (-9, "surely ham"),
        (-1.5, "ham"),
        (-0.5, "rather ham"),
        (0, "undecided"),
        (0.5, "rather spam"),
        (1, "spam"),
        (9, "surely spam"),
    ],
)
def test_levels_in_words(log_odds: float, level: str) -> None:
    assert level_of(log_odds) == level


def test_the_weight_grows_with_the_odds_and_is_nothing_where_they_say_nothing() -> None:
    odds = [step / 20 for step in range(-120, 121)]
    strengths = [strength_of(value, 50) for value in odds]
    assert strengths == sorted(strengths)
    assert (strengths[0], strengths[-1], strength_of(0.0, 50)) == (-0.7, 1.5, 0.0)


def test_bayes_alone_can_be_spam_and_only_when_it_is_sure() -> None:
    score = next(step.score for step in CHAIN if step.name == "bayes")
    assert score * strength_of(0.8, 50) == DEFAULT_POLICY.required
    assert score * strength_of(0.79, 50) < DEFAULT_POLICY.required
    assert score * strength_of(5.0, 7) < DEFAULT_POLICY.required  # a few words need a second witness
