"""Rules that administrators write: keywords, exceptions to them, and logic over findings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from services.antispam.policy.expressions import compile_expression
from services.antispam.policy.patterns import PATTERN_LIMIT, compiled
from services.antispam.policy.policy import Score

Area = Literal["subject", "headers", "body"]
AREAS: tuple[Area, ...] = ("subject", "headers", "body")

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
Example = Annotated[str, StringConstraints(max_length=2000)]


class Rule(BaseModel):
    """What all rules have. `enabled` keeps a rule without using it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    comment: str = Field("", max_length=500)


class PatternRule(Rule):
    """A regular expression in RE2's syntax (no look-around, no back-references), with the cases that it must pass."""

    pattern: str = Field(min_length=1, max_length=PATTERN_LIMIT, examples=[r"(?i)\bcheap\s+watches\b"])
    area: Area = Field("body", description="subject (decoded), headers (lines `Name: value`), or body (visible text).")
    hits: tuple[Example, ...] = Field((), max_length=20, description="Texts that the pattern must find.")
    misses: tuple[Example, ...] = Field((), max_length=20, description="Texts that it must leave alone.")

    @model_validator(mode="after")
    def _holds_for_its_examples(self) -> Self:
        """Tested before it is saved: one careless pattern would hit all mail."""
        search = compiled(self.pattern).search
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
    """R-SPAM-18. `score` is added when the pattern occurs; below zero it speaks for the message."""

    kind: Literal["keyword"] = "keyword"
    score: Score = 2.0


class ExceptionRule(PatternRule):
    """R-SPAM-17. When the pattern occurs, the filters and keyword or logic rules named in `spares` do not count."""

    kind: Literal["exception"] = "exception"
    spares: tuple[RuleName, ...] = Field(("keywords",), min_length=1, max_length=50)


class LogicRule(Rule):
    """R-SPAM-19. `score` is added when the expression holds."""

    kind: Literal["logic"] = "logic"
    expression: str = Field(min_length=1, max_length=1000, examples=["html_only and bayes > 2 and recipients >= 10"])
    score: Score = 2.0

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        compile_expression(self.expression)
        return self


AnyRule = KeywordRule | ExceptionRule | LogicRule

_ANY: TypeAdapter[AnyRule] = TypeAdapter(Annotated[AnyRule, Field(discriminator="kind")])


def rule_of(stored: object) -> AnyRule:
    """The rule in a stored document. Raises pydantic's `ValidationError`."""
    return _ANY.validate_python(stored)
