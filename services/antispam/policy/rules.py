"""Rules that administrators write: keyword rules, exception rules, and logic rules over findings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from services.antispam.policy.expressions import compile_expression
from services.antispam.policy.patterns import PATTERN_LIMIT, compile_pattern
from services.antispam.policy.policy import Score

Area = Literal["subject", "headers", "body"]
AREAS: tuple[Area, ...] = ("subject", "headers", "body")

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
Example = Annotated[str, StringConstraints(max_length=2000)]


class Rule(BaseModel):
    """The fields of every rule. A rule that is not `enabled` is kept and has no effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, description="Whether the rule is used.")
    comment: str = Field("", max_length=500, description="Note for people.")


class PatternRule(Rule):
    """A regular expression in RE2's syntax (no look-around, no back-references), with examples as its test cases."""

    pattern: str = Field(
        min_length=1,
        max_length=PATTERN_LIMIT,
        examples=[r"(?i)\bcheap\s+watches\b"],
        description="Regular expression (RE2).",
    )
    area: Area = Field("body", description="subject (decoded), headers (lines `Name: value`), or body (visible text).")
    hits: tuple[Example, ...] = Field((), max_length=20, description="Texts that the pattern must find.")
    misses: tuple[Example, ...] = Field((), max_length=20, description="Texts that the pattern must not find.")

    @model_validator(mode="after")
    def _check_examples(self) -> Self:
        """Reject a rule whose pattern fails its examples before it is saved: a careless pattern would hit all mail."""
        search = compile_pattern(self.pattern).search
        if search(""):
            raise ValueError("the pattern matches the empty text, hence every message")
        for example in self.hits:
            if not search(example):
                raise ValueError(f"the pattern does not find {example!r}")
        for example in self.misses:
            if search(example):
                raise ValueError(f"the pattern finds {example!r}")
        return self


class KeywordRule(PatternRule):
    """Adds `score` when the pattern occurs; a score below zero makes spam less likely."""

    kind: Literal["keyword"] = Field("keyword", description="Kind of the rule.")
    score: Score = Field(2.0, description="What a hit adds.")


class ExceptionRule(PatternRule):
    """Exempts a message from the filters, keyword rules and logic rules named in `spares` when the pattern occurs."""

    kind: Literal["exception"] = Field("exception", description="Kind of the rule.")
    spares: tuple[RuleName, ...] = Field(
        ("keywords",),
        min_length=1,
        max_length=50,
        description="Names of the rules that do not hit within the matched text.",
    )


class LogicRule(Rule):
    """Adds `score` when the expression is true."""

    kind: Literal["logic"] = Field("logic", description="Kind of the rule.")
    expression: str = Field(
        min_length=1,
        max_length=1000,
        examples=["html_only and bayes > 2 and recipients >= 10"],
        description="Boolean expression over filters and facts.",
    )
    score: Score = Field(2.0, description="What a hit adds.")

    @model_validator(mode="after")
    def _check_expression(self) -> Self:
        compile_expression(self.expression)
        return self


AnyRule = KeywordRule | ExceptionRule | LogicRule

_ANY: TypeAdapter[AnyRule] = TypeAdapter(Annotated[AnyRule, Field(discriminator="kind")])


def rule_of(stored: object) -> AnyRule:
    """Parse the rule in a stored document. Raises pydantic's `ValidationError`."""
    return _ANY.validate_python(stored)
