"""From samples to changes of the statistics.

The classifier is best when it counts only what it does not know yet (training on error), and passes at each message a
second time when it has seen the others. So a sample has two passes; each may count the message or not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.antispam.learning.model import MailClass

Tokens = frozenset[str]
Key = tuple[str, str]  # scope, digest

TRAINING: Mapping[str, MailClass] = {"spam": "spam", "ham": "ham"}  # local parts of training addresses (R-SPAM-43)


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A message, told by its `digest`, for the statistics of `scope`: `kind` is what it is, None to forget it.

    `counts` is False when the statistics would have said so surely enough themselves. `look` is 1 for a sample that
    somebody teaches, 2 when we come back to it.
    """

    scope: str
    digest: str
    kind: MailClass | None
    tokens: Tokens
    counts: bool = True
    pass_number: int = 1

    @property
    def key(self) -> Key:
        return self.scope, self.digest


@dataclass(frozen=True, slots=True)
class StoredSample:
    """What is kept of a learned message: what it is, how often it was counted and looked at, and its tokens then."""

    kind: MailClass
    times: int
    passes: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class CountChange:
    """A change that has no revision yet."""

    spam: int
    ham: int
    tokens: Tokens


@dataclass(slots=True)
class TrainingOutcome:
    """`befores` has an entry a sample; by scope, `steps` change counts and `learned` numbers of messages; `after` is
    what to remember of each message that changed, None to forget it."""

    befores: list[MailClass | None]
    steps: defaultdict[str, list[CountChange]]
    learned: defaultdict[str, Counter[MailClass]]
    after: dict[Key, StoredSample | None]


def training_outcome(samples: Sequence[TrainingSample], known: Mapping[Key, StoredSample]) -> TrainingOutcome:
    """The samples in their order, over what is remembered. What was learned as the same before changes nothing."""
    outcome = TrainingOutcome([], defaultdict(list), defaultdict(Counter), {})
    for sample in samples:
        before = outcome.after[sample.key] if sample.key in outcome.after else known.get(sample.key)
        outcome.befores.append(before.kind if before else None)
        if sample.pass_number == 1:
            _first_pass(sample, before, outcome)
        elif before is not None and before.kind == sample.kind and before.passes == 1:
            _second_pass(sample, before, outcome)
    return outcome


def _first_pass(sample: TrainingSample, before: StoredSample | None, outcome: TrainingOutcome) -> None:
    if (before.kind if before else None) == sample.kind:
        if before is not None:
            outcome.after[sample.key] = before  # it counts as before, and is young again
        return
    steps, learned = outcome.steps[sample.scope], outcome.learned[sample.scope]
    outcome.after[sample.key] = None
    if before is not None:
        learned[before.kind] -= 1
        if before.times:
            steps.append(_step(before.kind, -before.times, before.tokens))
    if sample.kind is not None:
        learned[sample.kind] += 1
        outcome.after[sample.key] = StoredSample(sample.kind, int(sample.counts), 1, sample.tokens)
        if sample.counts:
            steps.append(_step(sample.kind, 1, sample.tokens))


def _second_pass(sample: TrainingSample, before: StoredSample, outcome: TrainingOutcome) -> None:
    outcome.after[sample.key] = replace(before, times=before.times + sample.counts, passes=2)
    if sample.counts:
        outcome.steps[sample.scope].append(_step(before.kind, 1, before.tokens))


def _step(kind: MailClass, times: int, tokens: Tokens) -> CountChange:
    return CountChange(times, 0, tokens) if kind == "spam" else CountChange(0, times, tokens)
