"""Answers for as long as they hold, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class AnswerCache(Generic[K, V]):
    """At most `capacity` entries: the one that was asked for longest ago goes first. `now` is in seconds."""

    def __init__(self, capacity: int, *, now: Callable[[], float]) -> None:
        self._capacity = capacity
        self._now = now
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """None when there is none, or it is too old."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] <= self._now():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: K, value: V, *, seconds: float) -> None:
        self._kept[key] = (self._now() + seconds, value)
        self._kept.move_to_end(key)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
