"""A bounded cache whose entries have a time to live each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar, cast

from cachetools import Cache, TLRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """At most `max_entries`: expired entries are evicted first, then the least recently used one.

    The use of an entry is recorded only once the cache is half full, so that a look-up costs little until then.

    `clock` is in seconds. A value that was worked out before its key was forgotten is not kept: take `generation`
    before the question and give it to `put` with the answer. Tags say what an entry depends on beside its key:
    `forget_tagged` finds it by them without a look at the others.
    """

    def __init__(self, *, max_entries: int, clock: Callable[[], float]) -> None:
        self._is_off = max_entries <= 0
        self._kept: TLRUCache[K, tuple[float, V]] = TLRUCache(max_entries, _end, timer=clock)
        self._clock = clock
        self._half = max_entries // 2
        self._is_crowded = False
        self._max_tagged = 4 * max_entries
        self._tags: dict[str, set[K]] = {}
        self._tagged = 0  # pairs of tag and key, those of entries that are gone included
        self.generation = 0

    def get(self, key: K) -> V | None:
        """Return the value, or None for a missing or expired entry."""
        try:  # what the cache of cachetools would do for each look costs more than all else here
            ends, value = Cache.__getitem__(self._kept, key)
        except KeyError:
            return None
        if ends <= self._clock():
            return None
        if self._is_crowded:
            self._kept.get(key)  # now it is the last to go
        return value

    def put(self, key: K, value: V, *, seconds: float, generation: int | None = None, tags: Iterable[str] = ()) -> None:
        """Keep `value` for `seconds`, unless something was forgotten since `generation`."""
        if self._is_off or (generation is not None and generation != self.generation):
            return
        self._kept[key] = (self._clock() + seconds, value)
        self._is_crowded = self._kept.currsize > self._half
        for tag in tags:
            keys = self._tags.setdefault(tag, set())
            self._tagged += key not in keys
            keys.add(key)
        if self._tagged > self._max_tagged:
            self._tidy_tags()

    def forget(self, *keys: K) -> None:
        """Invalidate these keys."""
        self.generation += 1
        for key in keys:
            self._kept.pop(key, None)

    def forget_tagged(self, *tags: str) -> None:
        """Invalidate the entries with one of these tags."""
        self.generation += 1
        for tag in tags:
            keys = self._tags.pop(tag, set())
            self._tagged -= len(keys)
            for key in keys:
                self._kept.pop(key, None)

    def forget_where(self, concerned: Callable[[K, V], bool]) -> None:
        """Invalidate by key and value. All entries are visited, so it is for rare changes."""
        self.generation += 1
        for key in list(self._kept):
            found = self._kept.get(key)
            if found is not None and concerned(key, found[1]):
                self._kept.pop(key, None)

    def clear(self) -> None:
        """Invalidate all entries."""
        self.generation += 1
        self._kept.clear()
        self._tags.clear()
        self._tagged = 0

    def __len__(self) -> int:
        """The number of entries that have not expired."""
        self._kept.expire()
        return len(self._kept)

    def _tidy_tags(self) -> None:
        """Drop the tags of entries that are gone. It is put off longer where entries have many tags."""
        tidy = {tag: alive for tag, keys in self._tags.items() if (alive := {key for key in keys if key in self._kept})}
        self._tags, self._tagged = tidy, sum(map(len, tidy.values()))
        if self._tagged > self._max_tagged // 2:
            self._max_tagged *= 2


def _end(key: object, entry: object, now: float) -> float:
    return cast(tuple[float, object], entry)[0]
