"""Bayes as it learns in the service: on error, with two looks, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.antispam.learning.classifier import TokenCounts, is_sure, score
from tools.evaluation.corpus import Specimen
from tools.evaluation.measures import FOLDS, Assignment

LOOKS = 2


@dataclass(slots=True)
class Learned:
    """Counts in memory."""

    spam: int = 0
    ham: int = 0
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)

    def counts(self) -> TokenCounts:
        return TokenCounts(self.spam, self.ham, self.tokens.get)

    def learn(self, tokens: Iterable[str], *, spam: bool) -> None:
        self.spam += spam
        self.ham += not spam
        for token in tokens:
            in_spam, in_ham = self.tokens.get(token, (0, 0))
            self.tokens[token] = (in_spam + spam, in_ham + (not spam))


def learned_without(
    fold: int, corpus: Sequence[Specimen], tokens: Sequence[frozenset[str]], folds: Assignment
) -> tuple[Learned, int]:
    """Training on error with the other folds, in the order of the corpus; and how many lessons that took."""
    learned, lessons = Learned(), 0
    for _ in range(LOOKS):
        for specimen, its_tokens, its_fold in zip(corpus, tokens, folds, strict=True):
            if its_fold != fold and not is_sure(score(its_tokens, learned.counts()), spam=specimen.spam):
                learned.learn(its_tokens, spam=specimen.spam)
                lessons += 1
    return learned, lessons


def counts_of_folds(
    corpus: Sequence[Specimen], tokens: Sequence[frozenset[str]], folds: Assignment
) -> Sequence[TokenCounts]:
    """For each fold, what who judges it has learned."""
    return [learned_without(fold, corpus, tokens, folds)[0].counts() for fold in range(FOLDS)]
