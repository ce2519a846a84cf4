"""What is measured: recall at a share of false positives, time, CPU time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tools.evaluation.corpus import Specimen

FOLDS = 3

Assignment = Sequence[int]  # of each message: its fold


@dataclass(frozen=True, slots=True)
class Judged:
    """The scores of all messages of a class; only their order counts."""

    spam: Sequence[float]
    ham: Sequence[float]

    @classmethod
    def of(cls, corpus: Sequence[Specimen], scores: Sequence[float]) -> Judged:
        """`scores` in the order of the corpus."""
        pairs = list(zip(corpus, scores, strict=True))
        return cls([score for one, score in pairs if one.spam], [score for one, score in pairs if not one.spam])

    def recall(self, false_positives: float) -> float:
        """Share of the spam that lies above all ham but so much of it."""
        threshold = sorted(self.ham, reverse=True)[int(len(self.ham) * false_positives)]
        return sum(score > threshold for score in self.spam) / len(self.spam)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; `repeated` are the same scores with folds made otherwise. Time is that of judging alone."""

    name: str
    judged: Judged
    seconds: float
    cpu_seconds: float
    repeated: Sequence[Judged] = ()

    def line(self) -> str:
        messages = len(self.judged.spam) + len(self.judged.ham)
        means = [_mean([judged.recall(share) for judged in self.repeated]) for share in (0.001, 0.005)]
        cells = (
            *(self.name, f"{self.judged.recall(0.001):.1%}", f"{self.judged.recall(0.005):.1%}"),
            " / ".join(means) if self.repeated else "not done",
            *(f"{messages / self.seconds:.0f}", f"{1000 * self.cpu_seconds / messages:.2f}"),
        )
        return f"| {' | '.join(cells)} |"


HEADING = """\
| who | recall at 0.1 % | at 0.5 % | the same, mean of random folds | messages/s | CPU ms a message |
| --- | --- | --- | --- | --- | --- |"""


def by_digest(corpus: Sequence[Specimen]) -> Assignment:
    """The folds of the figures that are quoted."""
    return [int(one.digest[:8], 16) % FOLDS for one in corpus]


def at_random(corpus: Sequence[Specimen], seed: int) -> Assignment:
    """Others, since at 0.1 % three messages of ham decide, and chance with them."""
    source = random.Random(seed)
    return [source.randrange(FOLDS) for _ in corpus]


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.1%}" if values else ""
