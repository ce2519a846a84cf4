"""All that the administrators of one scope decided: policy, lists, rules. A scope is a domain, or `default` for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from services.antispam.policy.expressions import Expression, compile_expression
from services.antispam.policy.lists import AddressList
from services.antispam.policy.patterns import Patterns
from services.antispam.policy.rules import AREAS, Area, ExceptionRule, KeywordRule, LogicRule, PatternRule

P = TypeVar("P", bound=PatternRule)


@dataclass(frozen=True)
class PatternRuleSet(Generic[P]):
    """Rules with their patterns compiled together, by area."""

    rules: Mapping[str, P]

    @cached_property
    def by_area(self) -> Mapping[Area, tuple[Sequence[str], Patterns]]:
        """For each area that has rules: their names and their patterns, in the same order."""
        chosen = {
            area: [name for name, rule in self.rules.items() if rule.area == area and rule.enabled] for area in AREAS
        }
        return {
            area: (names, Patterns([self.rules[name].pattern for name in names]))
            for area, names in chosen.items()
            if names
        }


@dataclass(frozen=True)
class Rulebook:
    """One scope as it is stored; `policy` holds only what was set there."""

    scope: str
    policy: Mapping[str, object] = field(default_factory=dict)
    white: AddressList = field(default_factory=AddressList)
    black: AddressList = field(default_factory=AddressList)
    keywords: PatternRuleSet[KeywordRule] = field(default_factory=lambda: PatternRuleSet({}))
    exceptions: PatternRuleSet[ExceptionRule] = field(default_factory=lambda: PatternRuleSet({}))
    logic: Mapping[str, LogicRule] = field(default_factory=dict)
    images: frozenset[int] = frozenset()  # fingerprints of images known from spam

    @cached_property
    def logic_rules(self) -> Sequence[tuple[str, Expression, float]]:
        """(name, expression, score) of the rules in use."""
        return [
            (name, compile_expression(rule.expression), rule.score) for name, rule in self.logic.items() if rule.enabled
        ]

    def prepare(self) -> None:
        """Compile everything now rather than at the first message."""
        _ = self.keywords.by_area, self.exceptions.by_area, self.logic_rules
