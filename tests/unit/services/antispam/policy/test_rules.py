"""A rule is validated by its examples before it is stored."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.antispam.policy.rules import ExceptionRule, KeywordRule, LogicRule, rule_of


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"pattern": "("}, "missing )"),
        ({"pattern": "a*"}, "matches the empty text"),
        ({"pattern": "watch", "hits": ["a clock"]}, "does not find 'a clock'"),
        ({"pattern": "watch", "misses": ["we watched"]}, "finds 'we watched'"),
        ({"pattern": "watch", "score": 1000}, "less than or equal to 100"),
        ({"pattern": "watch", "area": "feet"}, "'subject', 'headers' or 'body'"),
        ({"pattern": "watch", "unknown": 1}, "not permitted"),
    ],
)
def test_a_wrong_keyword_is_refused_with_its_reason(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        KeywordRule(**fields)
    assert says in str(refusal.value)


def test_a_keyword_that_holds_for_its_examples_is_taken() -> None:
    rule = KeywordRule(pattern=r"(?i)\bwatch(es)?\b", hits=("Cheap WATCHES",), misses=("we watched",))
    assert rule_of(rule.model_dump(mode="json")) == rule


def test_a_stored_rule_comes_back_as_its_kind() -> None:
    for rule in (ExceptionRule(pattern="a"), LogicRule(expression="a > 1"), KeywordRule(pattern="a")):
        assert rule_of(rule.model_dump(mode="json")) == rule


def test_logic_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValidationError, match="unexpected end"):
        LogicRule(expression="a and")
