"""The rulebook of a scope: enabled rules by area, compiled."""

from __future__ import annotations

from services.antispam.policy.rules import ExceptionRule, KeywordRule, LogicRule
from tests.specimens.antispam import a_rulebook


def test_patterns_of_enabled_rules_are_compiled_by_area_in_the_order_of_their_names() -> None:
    book = a_rulebook(
        rules={
            "watches": KeywordRule(pattern="watch"),
            "loans": KeywordRule(pattern="loan"),
            "subject": KeywordRule(pattern="offer", area="subject"),
            "disabled": KeywordRule(pattern="pill", enabled=False),
            "exempt": ExceptionRule(pattern="invoice"),
        }
    )
    book.prepare()
    assert {area: list(names) for area, (names, _) in book.keywords.by_area.items()} == {
        "body": ["watches", "loans"],
        "subject": ["subject"],
    }
    _, patterns = book.keywords.by_area["body"]
    assert patterns.matches("a loan for a watch") == [0, 1]
    assert list(book.exceptions.by_area) == ["body"]


def test_disabled_logic_rules_have_no_effect() -> None:
    book = a_rulebook(
        rules={
            "big": LogicRule(expression="size > 1000", score=3.0),
            "off": LogicRule(expression="size > 1", enabled=False),
        }
    )
    [(name, expression, score)] = book.logic_rules
    assert (name, score, expression.evaluate({"size": 2000.0})) == ("big", 3.0, True)
