"""What was learned, in memory: how often each token stood in spam and in ham, for all and for a domain."""

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
    """The tokens of a message are counted so often as spam or as ham; below zero: no longer."""

    revision: int
    spam: int
    ham: int
    tokens: frozenset[str]


@dataclass(frozen=True, slots=True)
class ScopeState:
    """Of a scope: the last change of its log, the change that its snapshot holds, and how many messages it learned."""

    revision: int
    snapshot: int
    epoch: int
    spam: int
    ham: int


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """A model as it was after change `revision`. Nothing changes it: it can be written and pruned at leisure."""

    spam: int
    ham: int
    revision: int
    epoch: int
    tokens: Mapping[str, Pair]

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self) -> Iterator[tuple[str, int, int]]:
        """(token, spam, ham), the longest known first."""
        return ((token, spam, ham) for token, (spam, ham) in self.tokens.items())

    def pruned(self, keep: int) -> ModelSnapshot:
        """With at most `keep` tokens: the rarest go, of those the longest known, for a new one may become common."""
        tokens, rare = dict(self.tokens), 1
        while len(tokens) > keep:
            gone = [token for token, pair in tokens.items() if sum(pair) <= rare]
            for token in gone[: len(tokens) - keep]:
                del tokens[token]
            rare *= 2
        return ModelSnapshot(self.spam, self.ham, self.revision, self.epoch + 1, tokens)


@dataclass(slots=True)
class Model:
    """The statistics of one scope after change `revision`: messages counted as spam and as ham, and by token.

    `epoch` counts how often rare tokens were thrown away.
    """

    spam: int = 0
    ham: int = 0
    revision: int = 0
    epoch: int = 0
    tokens: dict[str, Pair] = field(default_factory=dict)
    # Most tokens share their counts, so each pair exists once.
    _pairs: dict[Pair, Pair] = field(default_factory=dict)
    _counts: TokenCounts | None = None
    _joined: tuple[TokenCounts, TokenCounts, TokenCounts] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def counts(self) -> TokenCounts:
        """For the classifier, which keeps with them what it works out of the numbers of messages."""
        kept = self._counts
        if kept is None or (kept.spam_messages, kept.ham_messages) != (self.spam, self.ham):
            kept = self._counts = TokenCounts(self.spam, self.ham, self.tokens.get)
        return kept

    def counts_with(self, common: Model) -> TokenCounts:
        """Together with what all learned; kept likewise."""
        of_all, own, kept = common.counts, self.counts, self._joined
        if kept is None or kept[0] is not of_all or kept[1] is not own:
            kept = self._joined = (of_all, own, combined(of_all, own))
        return kept[2]

    def apply(self, change: ModelChange) -> None:
        """The next change, or one that is known already, which changes nothing. Raises `LookupError` at a gap."""
        if change.revision <= self.revision:
            return
        if change.revision != self.revision + 1:
            raise LookupError(f"change {change.revision} follows {self.revision}")
        self.revision = change.revision
        self.spam = max(self.spam + change.spam, 0)
        self.ham = max(self.ham + change.ham, 0)
        for token in change.tokens:
            spam, ham = self.tokens.get(token, _NONE)
            # Below zero only where rare tokens were thrown away meanwhile.
            self._put(token, max(spam + change.spam, 0), max(ham + change.ham, 0))

    def put(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Take rows of a snapshot in."""
        for token, spam, ham in rows:
            self._put(token, spam, ham)

    def add(self, kind: MailClass, times: int, tokens: Iterable[str]) -> None:
        """Count a message so often, outside the log."""
        spam_times, ham_times = (times, 0) if kind == "spam" else (0, times)
        self.spam += spam_times
        self.ham += ham_times
        for token in tokens:
            spam, ham = self.tokens.get(token, _NONE)
            self._put(token, spam + spam_times, ham + ham_times)

    def taken(self) -> ModelSnapshot:
        """A copy, taken in one step: changes that are applied from now on are not in it."""
        return ModelSnapshot(self.spam, self.ham, self.revision, self.epoch, dict(self.tokens))

    def _put(self, token: str, spam: int, ham: int) -> None:
        pair = (spam, ham)
        if pair == _NONE:
            self.tokens.pop(token, None)
        else:
            self.tokens[token] = self._pairs.setdefault(pair, pair)


class ModelCache:
    """The model `always`, and those of the domains used last, of at most `capacity` tokens together."""

    def __init__(self, *, always: str, capacity: int) -> None:
        self._always = always
        self._capacity = capacity
        self._models: OrderedDict[str, Model] = OrderedDict()
        self.learned: Mapping[str, Pair] = {}  # messages taught, by scope, of every one that ever learned

    def get(self, scope: str) -> Model | None:
        """The model if it is in memory; it is then the one used last."""
        model = self._models.get(scope)
        if model is not None:
            self._models.move_to_end(scope)
        return model

    def keep(self, scope: str, model: Model) -> None:
        """Take a model in; those of other domains make room."""
        self._models[scope] = model
        room = self._capacity - sum(len(one) for name, one in self._models.items() if name != self._always)
        for name in [name for name in self._models if name not in (scope, self._always)]:
            if room >= 0:
                return
            room += len(self._models.pop(name))

    def forget(self, scope: str) -> None:
        """It must be read anew."""
        self._models.pop(scope, None)

    def loaded(self) -> Mapping[str, Model]:
        """What is in memory, by scope."""
        return dict(self._models)
