"""A step of the chain: a filter, what its hit does, its score; and the chain under the policy of a domain."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from inspect import cleandoc
from types import ModuleType
from typing import Any

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import Report
from services.antispam.policy.policy import Policy

# A filter. It may raise: the runner makes that a finding with an error, and the chain goes on.
Check = Callable[[MailView, FilterContext], Awaitable[Report]]

# Whether a filter that asks DNS, an engine or an image process has a question about this message. Cheap, asks nothing.
LookupTest = Callable[[MailView, FilterContext], bool]


class Kind(Enum):
    """What a hit does."""

    ACCEPT = "accept"  # ends the chain: not spam, whatever was found before
    REFUSE = "refuse"  # ends the chain: spam
    EXEMPT = "exempt"  # the hits of the filters and rules that it names do not count
    SCORE = "score"  # adds its score


@dataclass(frozen=True, slots=True)
class Step:
    """A filter at its place in the chain.

    `per_domain` filters read the domain's policy, lists, rules or statistics; the others run once per message.

    A filter that waits for something outside the process has a `deadline`, and says with `needs_lookup` whether it
    will for a given message: such filters start together, at the place of the first of them. What they ask is the same
    for every domain. No policy switches off a `mandatory` step. `required` names the parts of the envelope without
    which the filter cannot judge.
    """

    name: str
    check: Check
    description: str
    kind: Kind
    score: float
    reference: str = ""
    on: bool = True
    per_domain: bool = False
    deadline: timedelta | None = None
    needs_lookup: LookupTest | None = None
    mandatory: bool = False
    required: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.needs_lookup is not None and (self.per_domain or self.deadline is None):
            raise ValueError(f"step {self.name}: a filter that asks outside has a deadline and is not per domain")

    @classmethod
    def of(cls, source: ModuleType | Check, kind: Kind, score: float, **more: Any) -> Step:
        """Build the step of a filter: a module with a function `check`, or one function of a module with several.

        It has the name and the documentation of its source; the last paragraph of that, `See: ...`, is `reference`.
        """
        module = source if isinstance(source, ModuleType) else sys.modules[source.__module__]
        check: Check = source.check if isinstance(source, ModuleType) else source
        description, _, reference = cleandoc(source.__doc__ or "").partition("\n\nSee: ")
        more.setdefault("needs_lookup", getattr(module, "needs_lookup", None))
        more.setdefault("required", getattr(module, "REQUIRED", frozenset()))
        name = source.__name__.rpartition(".")[2]
        return cls(name, check, description, kind, score, reference.removesuffix("."), **more)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step under the policy of a domain: its score there, and whether it is on."""

    step: Step
    score: float
    on: bool


Plan = Sequence[PlannedStep]


def plan(chain: Sequence[Step], policy: Policy) -> Plan:
    """Put the chain under `policy`, in the same order."""
    return tuple(
        PlannedStep(
            step, policy.scores.get(step.name, step.score), step.mandatory or policy.filters.get(step.name, step.on)
        )
        for step in chain
    )
