"""The policy, the lists and the rules of one scope together. A scope is a domain, or `default` for all domains."""

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
    """Rules by name; the patterns of each area are compiled together."""

    rules: Mapping[str, P]

    @cached_property
    def by_area(self) -> Mapping[Area, tuple[Sequence[str], Patterns]]:
        """Return, for each area that has rules, their names and their patterns in the same order."""
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
    """One scope as it is stored; `policy` holds only the fields that were set for it."""

    scope: str
    policy: Mapping[str, object] = field(default_factory=dict)
    white: AddressList = field(default_factory=AddressList)
    black: AddressList = field(default_factory=AddressList)
    keywords: PatternRuleSet[KeywordRule] = field(default_factory=lambda: PatternRuleSet({}))
    exceptions: PatternRuleSet[ExceptionRule] = field(default_factory=lambda: PatternRuleSet({}))
    logic: Mapping[str, LogicRule] = field(default_factory=dict)
    images: frozenset[int] = frozenset()  # fingerprints of known images in spam

    @cached_property
    def logic_rules(self) -> Sequence[tuple[str, Expression, float]]:
        """Return (name, expression, score) of the enabled rules."""
        return [
            (name, compile_expression(rule.expression), rule.score) for name, rule in self.logic.items() if rule.enabled
        ]

    def prepare(self) -> None:
        """Compile everything now rather than at the first message, which would wait for it."""
        _ = self.keywords.by_area, self.exceptions.by_area, self.logic_rules
