"""Learned statistics in memory: the numbers of spam and ham messages of each token, for all and for a domain."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.antispam.learning.classifier import TokenCounts, combined

MailClass = Literal["spam", "ham"]
Pair = tuple[int, int]  # of spam, of ham

_NONE: Pair = (0, 0)


@dataclass(frozen=True, slots=True)
class ModelChange:
    """An entry of the log: the tokens of a message count this often as spam or ham; negative numbers unlearn it."""

    revision: int
    spam: int
    ham: int
    tokens: frozenset[str]


@dataclass(frozen=True, slots=True)
class ScopeState:
    """The state of a scope: the last change in its log, the last one in its snapshot, and its learned messages."""

    revision: int
    snapshot: int
    epoch: int
    spam: int
    ham: int


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """An immutable copy of a model after the change `revision`, to be written or pruned while the model goes on."""

    spam: int
    ham: int
    revision: int
    epoch: int
    tokens: Mapping[str, Pair]

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self) -> Iterator[tuple[str, int, int]]:
        """Yield (token, spam, ham), the oldest tokens first."""
        return ((token, spam, ham) for token, (spam, ham) in self.tokens.items())

    def pruned(self, keep: int) -> ModelSnapshot:
        """Return a copy of at most `keep` tokens. The rarest are discarded, the oldest first: a new one may grow."""
        tokens, rare = dict(self.tokens), 1
        while len(tokens) > keep:
            rarest = [token for token, pair in tokens.items() if sum(pair) <= rare]
            for token in rarest[: len(tokens) - keep]:
                del tokens[token]
            rare *= 2
        return ModelSnapshot(self.spam, self.ham, self.revision, self.epoch + 1, tokens)


@dataclass(slots=True)
class BayesModel:
    """The statistics of one scope after the change `revision`: numbers of spam and ham messages, in all and by token.

    `epoch` is the number of times that rare tokens were discarded.
    """

    spam: int = 0
    ham: int = 0
    revision: int = 0
    epoch: int = 0
    tokens: dict[str, Pair] = field(default_factory=dict)
    # Most tokens share their counts, so each pair exists once.
    _pairs: dict[Pair, Pair] = field(default_factory=dict)
    _counts: TokenCounts | None = None
    _combined: tuple[TokenCounts, TokenCounts, TokenCounts] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def counts(self) -> TokenCounts:
        """Return the counts for the classifier, the same instance until the numbers of messages change."""
        kept = self._counts
        if kept is None or (kept.spam_messages, kept.ham_messages) != (self.spam, self.ham):
            kept = self._counts = TokenCounts(self.spam, self.ham, self.tokens.get)
        return kept

    def counts_with(self, common: BayesModel) -> TokenCounts:
        """Return the counts added to those of `common`, the same instance until one of them changes."""
        shared, own, kept = common.counts, self.counts, self._combined
        if kept is None or kept[0] is not shared or kept[1] is not own:
            kept = self._combined = (shared, own, combined(shared, own))
        return kept[2]

    def apply(self, change: ModelChange) -> None:
        """Apply the next change; a change that was applied before has no effect. Raises `LookupError` at a gap."""
        if change.revision <= self.revision:
            return
        if change.revision != self.revision + 1:
            raise LookupError(f"change {change.revision} follows {self.revision}")
        self.revision = change.revision
        self.spam = max(self.spam + change.spam, 0)
        self.ham = max(self.ham + change.ham, 0)
        for token in change.tokens:
            spam, ham = self.tokens.get(token, _NONE)
            # It would be below zero only where rare tokens were discarded meanwhile.
            self._put(token, max(spam + change.spam, 0), max(ham + change.ham, 0))

    def put(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Load rows of a snapshot."""
        for token, spam, ham in rows:
            self._put(token, spam, ham)

    def add(self, kind: MailClass, times: int, tokens: Iterable[str]) -> None:
        """Count a message `times` times without a change in the log."""
        spam_times, ham_times = (times, 0) if kind == "spam" else (0, times)
        self.spam += spam_times
        self.ham += ham_times
        for token in tokens:
            spam, ham = self.tokens.get(token, _NONE)
            self._put(token, spam + spam_times, ham + ham_times)

    def copy(self) -> ModelSnapshot:
        """Return a copy that later changes do not affect."""
        return ModelSnapshot(self.spam, self.ham, self.revision, self.epoch, dict(self.tokens))

    def _put(self, token: str, spam: int, ham: int) -> None:
        pair = (spam, ham)
        if pair == _NONE:
            self.tokens.pop(token, None)
        else:
            self.tokens[token] = self._pairs.setdefault(pair, pair)


class ModelCache:
    """The model of the scope `always`, and an LRU cache of other models of at most `capacity` tokens together."""

    def __init__(self, *, always: str, capacity: int) -> None:
        self._always = always
        self._capacity = capacity
        self._models: OrderedDict[str, BayesModel] = OrderedDict()
        self.learned: Mapping[str, Pair] = {}  # spam and ham messages of every scope with samples

    def get(self, scope: str) -> BayesModel | None:
        """Return the model if it is in memory, and mark it as used."""
        model = self._models.get(scope)
        if model is not None:
            self._models.move_to_end(scope)
        return model

    def keep(self, scope: str, model: BayesModel) -> None:
        """Add a model; the least recently used ones of other domains are dropped beyond the capacity."""
        self._models[scope] = model
        room = self._capacity - sum(len(one) for name, one in self._models.items() if name != self._always)
        for name in [name for name in self._models if name not in (scope, self._always)]:
            if room >= 0:
                return
            room += len(self._models.pop(name))

    def forget(self, scope: str) -> None:
        """Drop a model, which is read again before its next use."""
        self._models.pop(scope, None)

    def loaded(self) -> Mapping[str, BayesModel]:
        """Return the models in memory by scope."""
        return dict(self._models)
