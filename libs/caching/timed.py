"""Values for as long as they hold, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, cast

from cachetools import TLRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Timed(Generic[K, V]):
    """At most `max_entries`: what is over goes first, then the one that was asked for longest ago.

    `clock` is in seconds. A value that was worked out before its key was forgotten is not kept: take `generation`
    before the question and give it to `put` with the answer.
    """

    def __init__(self, *, max_entries: int, clock: Callable[[], float]) -> None:
        self._kept: TLRUCache[K, tuple[float, V]] = TLRUCache(max_entries, _end, timer=clock)
        self._clock = clock
        self.generation = 0

    def get(self, key: K) -> V | None:
        """None when nothing is known of `key`, or no longer."""
        try:  # `get` of cachetools looks twice
            return self._kept[key][1]
        except KeyError:
            return None

    def put(self, key: K, value: V, *, seconds: float, generation: int | None = None) -> None:
        """Keep `value` for `seconds`, unless something was forgotten since `generation`."""
        if generation is None or generation == self.generation:
            self._kept[key] = (self._clock() + seconds, value)

    def forget(self, *keys: K) -> None:
        """What is known of these keys does not hold any more."""
        self.generation += 1
        for key in keys:
            self._kept.pop(key, None)

    def forget_where(self, concerned: Callable[[K, V], bool]) -> None:
        """Forget by what the entries say. It looks at each of them, so it is for rare changes."""
        self.generation += 1
        for key in list(self._kept):
            found = self._kept.get(key)
            if found is not None and concerned(key, found[1]):
                self._kept.pop(key, None)

    def clear(self) -> None:
        """Nothing that is known holds any more."""
        self.generation += 1
        self._kept.clear()

    def __len__(self) -> int:
        """Those that are over are not counted."""
        self._kept.expire()
        return len(self._kept)


def _end(key: object, entry: object, now: float) -> float:
    return cast(tuple[float, object], entry)[0]
