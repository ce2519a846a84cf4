"""Training samples, and the changes of the statistics that they cause.

The classifier is best when it counts only messages that it does not classify surely (training on error), in two passes:
the second one when it has learned the others. Each pass may count the message or not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.antispam.learning.model import MailClass

Tokens = frozenset[str]
Key = tuple[str, str]  # scope, digest

TRAINING_ADDRESSES: Mapping[str, MailClass] = {"spam": "spam", "ham": "ham"}  # local parts of training addresses


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A message, identified by `digest`, for the statistics of `scope`. `kind` is its class, None to unlearn it.

    `counts` is False when the statistics already classify it surely. `pass_number` is 1 for a new sample, 2 for the
    second pass over a stored one.
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
    """The stored part of a learned message: its class, how often it was counted, its passes, its tokens then."""

    kind: MailClass
    times: int
    passes: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class CountChange:
    """A change of the counts that has no revision yet."""

    spam: int
    ham: int
    tokens: Tokens


@dataclass(slots=True)
class TrainingOutcome:
    """The effect of a batch: `former` has the former class of each sample's message.

    By scope, `changes` are those of counts, and `learned` those of the numbers of messages. `stored` is the new state
    of each message that changed, None to delete it.
    """

    former: list[MailClass | None]
    changes: defaultdict[str, list[CountChange]]
    learned: defaultdict[str, Counter[MailClass]]
    stored: dict[Key, StoredSample | None]


def training_outcome(samples: Sequence[TrainingSample], stored: Mapping[Key, StoredSample]) -> TrainingOutcome:
    """Process samples in their order. A message that was learned as the same class before changes nothing."""
    outcome = TrainingOutcome([], defaultdict(list), defaultdict(Counter), {})
    for sample in samples:
        before = outcome.stored[sample.key] if sample.key in outcome.stored else stored.get(sample.key)
        outcome.former.append(before.kind if before else None)
        if sample.pass_number == 1:
            _first_pass(sample, before, outcome)
        elif before is not None and before.kind == sample.kind and before.passes == 1:
            _second_pass(sample, before, outcome)
    return outcome


def _first_pass(sample: TrainingSample, before: StoredSample | None, outcome: TrainingOutcome) -> None:
    if (before.kind if before else None) == sample.kind:
        if before is not None:
            outcome.stored[sample.key] = before  # its counts stay, its date is new
        return
    changes, learned = outcome.changes[sample.scope], outcome.learned[sample.scope]
    outcome.stored[sample.key] = None
    if before is not None:
        learned[before.kind] -= 1
        if before.times:
            changes.append(_change(before.kind, -before.times, before.tokens))
    if sample.kind is not None:
        learned[sample.kind] += 1
        outcome.stored[sample.key] = StoredSample(sample.kind, int(sample.counts), 1, sample.tokens)
        if sample.counts:
            changes.append(_change(sample.kind, 1, sample.tokens))


def _second_pass(sample: TrainingSample, before: StoredSample, outcome: TrainingOutcome) -> None:
    outcome.stored[sample.key] = replace(before, times=before.times + sample.counts, passes=2)
    if sample.counts:
        outcome.changes[sample.scope].append(_change(before.kind, 1, before.tokens))


def _change(kind: MailClass, times: int, tokens: Tokens) -> CountChange:
    return CountChange(times, 0, tokens) if kind == "spam" else CountChange(0, times, tokens)
