"""Robinson's probability of a token, Fisher's combination of them (G. Robinson, "A Statistical Approach to the Spam
Problem", Linux Journal 107, 2003), and a mean of log-odds that still separates messages where Fisher's is 0 or 1.

The mean is taken over the header and over the body separately, and then over the two: otherwise a long body would
outweigh the header, or a long header the few words of the body. On the public corpus, this and `STRENGTH` 0.2 instead
of the usual 0.0178 find 3 % more of the spam at 1 to 10 false positives in 2,000 (mean over six partitions into folds).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

STRENGTH = 0.2  # Robinson's s: how many messages the assumption about an unknown token is worth
ASSUMED = 0.52  # Robinson's x: the probability of an unknown token
MIN_DEVIATION = 0.375  # tokens nearer to 0.5 are ignored
HALF_TRUST = 10  # messages of the rarer class at which the statistics count half
SURE = 2.4  # nats: training on error skips messages that are classified as surely as this

# Maps a token to its numbers of spam and of ham messages; zeros or None for an unknown token, as a dictionary's `get`.
Lookup = Callable[[str], tuple[int, int] | None]


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The learned numbers of messages by class, and those of each token. A message that was learned twice counts twice.

    Keep an instance until the numbers of messages change, since it caches the evidence of each pair of counts.
    """

    spam_messages: int
    ham_messages: int
    lookup: Lookup
    weights: EvidenceTable = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", EvidenceTable(self.spam_messages, self.ham_messages))


@dataclass(frozen=True, slots=True)
class BayesScore:
    """The opinion of the classifier on a message.

    `log_odds` is the mean over the significant tokens, in nats, about -5 to 5; it is above 0 for spam, and 0 is no
    opinion. `probability` is Fisher's, 0 to 1, of spam. `tokens` is the number of significant tokens.
    """

    log_odds: float
    probability: float
    tokens: int


NO_OPINION = BayesScore(0.0, 0.5, 0)

# (ln f, ln (1 - f)) of a token of probability f.
Evidence = tuple[float, float]


def score(tokens: Iterable[str], counts: TokenCounts) -> BayesScore:
    """Score a message with these tokens; there is no opinion while one of the classes has no messages."""
    trust = _trust(counts)
    if not trust:
        return NO_OPINION
    header: list[Evidence] = []
    body: list[Evidence] = []
    lookup, weights = counts.lookup, counts.weights
    for token in tokens:  # the hot loop: hundreds of tokens, of which about ninety are significant
        if (found := lookup(token)) and (evidence := weights[found]):
            (header if ":" in token else body).append(evidence)
    mean = (_mean_log_odds(header) + _mean_log_odds(body)) / 2.0
    return BayesScore(trust * mean, _fisher(header + body), len(header) + len(body))


def is_sure(score: BayesScore, *, spam: bool) -> bool:
    """Return whether the score is so sure that learning the message adds nothing: training on error with a margin.

    Accuracy is best with two passes over the messages, the second one when all were learned.
    """
    return score.log_odds >= SURE if spam else score.log_odds <= -SURE


def combined(first: TokenCounts, second: TokenCounts) -> TokenCounts:
    """Add the counts of one domain to those of all domains."""

    def lookup(token: str) -> tuple[int, int] | None:
        one, other = first.lookup(token), second.lookup(token)
        return (one[0] + other[0], one[1] + other[1]) if one and other else one or other

    spam_messages = first.spam_messages + second.spam_messages
    return TokenCounts(spam_messages, first.ham_messages + second.ham_messages, lookup)


def _trust(counts: TokenCounts) -> float:
    """Return a weight from 0 to 1: statistics of ten spam and no ham messages would take all mail for spam."""
    rarer = max(min(counts.spam_messages, counts.ham_messages), 0)
    return rarer / (rarer + HALF_TRUST)


class EvidenceTable(dict[tuple[int, int], Evidence | None]):
    """The evidence of a token by its counts, None if it is not significant. Thousands of tokens share their counts."""

    def __init__(self, spam_messages: int, ham_messages: int) -> None:
        super().__init__()
        self._spam_messages = spam_messages
        self._ham_messages = ham_messages

    def __missing__(self, found: tuple[int, int]) -> Evidence | None:
        probability = self._probability(max(found[0], 0), max(found[1], 0))
        is_insignificant = abs(probability - 0.5) < MIN_DEVIATION
        self[found] = evidence = None if is_insignificant else (math.log(probability), math.log1p(-probability))
        return evidence

    def _probability(self, spam: int, ham: int) -> float:
        """Return Robinson's f(w): the probability that a message with this token is spam, at equal amounts of both."""
        seen = spam + ham
        if not seen:
            return ASSUMED
        in_spam, in_ham = spam / self._spam_messages, ham / self._ham_messages
        return (STRENGTH * ASSUMED + seen * in_spam / (in_spam + in_ham)) / (STRENGTH + seen)


def _mean_log_odds(evidence: list[Evidence]) -> float:
    return sum([is_spam - is_ham for is_spam, is_ham in evidence]) / len(evidence) if evidence else 0.0


def _fisher(evidence: list[Evidence]) -> float:
    if not evidence:
        return NO_OPINION.probability
    spam, ham = zip(*evidence, strict=True)
    return (1.0 + _chance(-2.0 * sum(spam), len(spam)) - _chance(-2.0 * sum(ham), len(ham))) / 2.0


def _chance(chi_square: float, pairs: int) -> float:
    """Return the probability of at least this chi-square with 2 `pairs` degrees of freedom, within 0.01.

    It is the cube root approximation of Wilson and Hilferty (1931): the exact sum has `pairs` terms and underflows for
    a long message.
    """
    ninth = 1.0 / (9.0 * pairs)
    return 0.5 * math.erfc(((chi_square / (2.0 * pairs)) ** (1.0 / 3.0) - (1.0 - ninth)) / math.sqrt(2.0 * ninth))
