"""From lessons to changes: what was learned as the same before changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.antispam.domain.learned import Class, Lesson

Known = Mapping[tuple[str, str], Class | None]  # (scope, digest) -> what it was learned as


@dataclass(frozen=True, slots=True)
class Step:
    """A change that has no revision yet."""

    spam: int
    ham: int
    tokens: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`befores` has an entry a lesson, `steps` those that change something by scope, `known` the state after all."""

    befores: Sequence[Class | None]
    steps: Mapping[str, Sequence[Step]]
    known: Known


def worked_out(lessons: Sequence[Lesson], known: Known) -> Outcome:
    """The lessons in their order, over what is known of their messages."""
    after, befores = dict(known), []
    steps: defaultdict[str, list[Step]] = defaultdict(list)
    for lesson in lessons:
        key = (lesson.scope, lesson.digest)
        before = after.get(key)
        befores.append(before)
        if before != lesson.kind:
            after[key] = lesson.kind
            steps[lesson.scope].append(_step(before, lesson))
    return Outcome(befores, steps, after)


def _step(before: Class | None, lesson: Lesson) -> Step:
    def moved(kind: Class) -> int:
        return (lesson.kind == kind) - (before == kind)

    return Step(moved("spam"), moved("ham"), lesson.tokens)
