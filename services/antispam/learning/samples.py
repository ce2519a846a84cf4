"""From lessons to changes of the statistics.

The classifier is best when it counts only what it does not know yet (training on error), and looks at each message a
second time when it has seen the others. So a lesson has two looks; each may count the message or not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.antispam.learning.model import Class

Tokens = frozenset[str]
Key = tuple[str, str]  # scope, digest

TRAINING: Mapping[str, Class] = {"spam": "spam", "ham": "ham"}  # local parts of training addresses (R-SPAM-43)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A message, told by its `digest`, for the statistics of `scope`: `kind` is what it is, None to forget it.

    `counts` is False when the statistics would have said so surely enough themselves. `look` is 1 for a lesson that
    somebody teaches, 2 when we come back to it.
    """

    scope: str
    digest: str
    kind: Class | None
    tokens: Tokens
    counts: bool = True
    look: int = 1

    @property
    def key(self) -> Key:
        return self.scope, self.digest


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is kept of a learned message: what it is, how often it was counted and looked at, and its tokens then."""

    kind: Class
    times: int
    looks: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Step:
    """A change that has no revision yet."""

    spam: int
    ham: int
    tokens: Tokens


@dataclass(slots=True)
class Outcome:
    """`befores` has an entry a lesson; by scope, `steps` change counts and `learned` numbers of messages; `after` is
    what to remember of each message that changed, None to forget it."""

    befores: list[Class | None]
    steps: defaultdict[str, list[Step]]
    learned: defaultdict[str, Counter[Class]]
    after: dict[Key, Remembered | None]


def worked_out(lessons: Sequence[Lesson], known: Mapping[Key, Remembered]) -> Outcome:
    """The lessons in their order, over what is remembered. What was learned as the same before changes nothing."""
    outcome = Outcome([], defaultdict(list), defaultdict(Counter), {})
    for lesson in lessons:
        before = outcome.after[lesson.key] if lesson.key in outcome.after else known.get(lesson.key)
        outcome.befores.append(before.kind if before else None)
        if lesson.look == 1:
            _first_look(lesson, before, outcome)
        elif before is not None and before.kind == lesson.kind and before.looks == 1:
            _second_look(lesson, before, outcome)
    return outcome


def _first_look(lesson: Lesson, before: Remembered | None, outcome: Outcome) -> None:
    if (before.kind if before else None) == lesson.kind:
        if before is not None:
            outcome.after[lesson.key] = before  # it counts as before, and is young again
        return
    steps, learned = outcome.steps[lesson.scope], outcome.learned[lesson.scope]
    outcome.after[lesson.key] = None
    if before is not None:
        learned[before.kind] -= 1
        if before.times:
            steps.append(_step(before.kind, -before.times, before.tokens))
    if lesson.kind is not None:
        learned[lesson.kind] += 1
        outcome.after[lesson.key] = Remembered(lesson.kind, int(lesson.counts), 1, lesson.tokens)
        if lesson.counts:
            steps.append(_step(lesson.kind, 1, lesson.tokens))


def _second_look(lesson: Lesson, before: Remembered, outcome: Outcome) -> None:
    outcome.after[lesson.key] = replace(before, times=before.times + lesson.counts, looks=2)
    if lesson.counts:
        outcome.steps[lesson.scope].append(_step(before.kind, 1, before.tokens))


def _step(kind: Class, times: int, tokens: Tokens) -> Step:
    return Step(times, 0, tokens) if kind == "spam" else Step(0, times, tokens)
