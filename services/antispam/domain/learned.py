"""What was learned, in memory: how often each token stood in spam and in ham, for all and for a domain."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Class = Literal["spam", "ham"]

# Both counts in one number: a dictionary of a million pairs would take twice the memory.
_HALF = 32
_LOW = (1 << _HALF) - 1


@dataclass(frozen=True, slots=True)
class Change:
    """The tokens of a message are counted so often as spam or as ham; below zero: no longer."""

    revision: int
    spam: int
    ham: int
    tokens: frozenset[str]


@dataclass(slots=True)
class Model:
    """The statistics of one scope after change `revision`: messages counted as spam and as ham, and their tokens.

    `epoch` counts how often rare tokens were thrown away.
    """

    spam: int = 0
    ham: int = 0
    revision: int = 0
    epoch: int = 0
    packed: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.packed)

    def counts(self, token: str) -> tuple[int, int]:
        """(messages of spam, of ham) that had the token."""
        both = self.packed.get(token, 0)
        return both >> _HALF, both & _LOW

    def apply(self, change: Change) -> None:
        """The next change, or one that is known already, which changes nothing. Raises `LookupError` at a gap."""
        if change.revision <= self.revision:
            return
        if change.revision != self.revision + 1:
            raise LookupError(f"change {change.revision} follows {self.revision}")
        self.revision = change.revision
        self.spam = max(self.spam + change.spam, 0)
        self.ham = max(self.ham + change.ham, 0)
        packed = self.packed
        if change.spam >= 0 and change.ham >= 0:
            step = _pack(change.spam, change.ham)
            for token in change.tokens:
                packed[token] = packed.get(token, 0) + step
            return
        for token in change.tokens:
            spam, ham = self.counts(token)
            # Below zero only when a newer tokenizer sees other tokens in a message learned by an older one.
            both = _pack(max(spam + change.spam, 0), max(ham + change.ham, 0))
            if both:
                packed[token] = both
            else:
                packed.pop(token, None)

    def rows(self) -> Iterator[tuple[str, int, int]]:
        """(token, spam, ham), the longest known first."""
        return ((token, both >> _HALF, both & _LOW) for token, both in self.packed.items())

    def put(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Take rows in."""
        self.packed.update((token, _pack(spam, ham)) for token, spam, ham in rows)

    def pruned(self, keep: int) -> Model:
        """With at most `keep` tokens: the rarest go, of those the longest known, for a new one may become common."""
        packed = dict(self.packed)
        rare = 1
        while len(packed) > keep:
            gone = [token for token, both in packed.items() if (both >> _HALF) + (both & _LOW) <= rare]
            for token in gone[: len(packed) - keep]:
                del packed[token]
            rare *= 2
        return Model(self.spam, self.ham, self.revision, self.epoch + 1, packed)


class Models:
    """The model `always`, and those of the domains used last, of at most `capacity` tokens together."""

    def __init__(self, *, always: str, capacity: int) -> None:
        self._always = always
        self._capacity = capacity
        self._models: OrderedDict[str, Model] = OrderedDict()

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


def _pack(spam: int, ham: int) -> int:
    return spam << _HALF | ham
