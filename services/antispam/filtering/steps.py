"""A step of the chain: a filter, what its hit does, its score; and the chain as a policy has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import ModuleType
from typing import Any

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import Report
from services.antispam.policy.policy import Policy

# What each module in `filters/` has. It may raise: that is a finding of its own, and the chain goes on.
Check = Callable[[MailView, Context], Awaitable[Report]]

# Whether a filter that asks outside the process has something to ask about this message: cheap, and asks nothing.
Asks = Callable[[MailView, Context], bool]


class Kind(Enum):
    """What a hit does."""

    ACCEPT = "accept"  # ends the chain: not spam, whatever was found before
    REFUSE = "refuse"  # ends the chain: spam
    SPARE = "spare"  # what it names does not count
    SCORE = "score"  # adds its score


@dataclass(frozen=True, slots=True)
class Step:
    """`per_domain` filters look at the domain's policy, lists, rules or statistics; the others run once a message.

    A filter that waits for something outside the process has a `deadline`, and says with `asks` whether it will: such
    filters start together, at the place of the first of them. What they ask is the same for every domain. No policy
    switches off what is `always` on.
    """

    name: str
    check: Check
    doc: str
    kind: Kind
    score: float
    requirement: str
    on: bool = True
    per_domain: bool = False
    deadline: timedelta | None = None
    asks: Asks | None = None
    always: bool = False
    needs: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.asks is not None and (self.per_domain or self.deadline is None):
            raise ValueError(f"step {self.name}: what asks outside has a deadline and is no domain's own")

    @classmethod
    def of(cls, module: ModuleType, kind: Kind, score: float, requirement: str, **more: Any) -> Step:
        """The step of the filter in `module`, called and documented as the module is."""
        name = module.__name__.rpartition(".")[2]
        more.setdefault("asks", getattr(module, "asks", None))
        more.setdefault("needs", getattr(module, "NEEDS", frozenset()))
        return cls(name, module.check, (module.__doc__ or "").strip(), kind, score, requirement, **more)


@dataclass(frozen=True, slots=True)
class Planned:
    """A step under a policy: its score there, and whether it is on."""

    step: Step
    score: float
    on: bool


Plan = Sequence[Planned]


def plan(chain: Sequence[Step], policy: Policy) -> Plan:
    """The chain under `policy`, in the same order."""
    return tuple(
        Planned(step, policy.scores.get(step.name, step.score), step.always or policy.filters.get(step.name, step.on))
        for step in chain
    )
