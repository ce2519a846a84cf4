"""Routes in memory: bounded, with a time to live, dropped when an event tells of a change."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class Expiring(Generic[T]):
    """A bounded map whose entries live for `ttl`; the oldest make room."""

    def __init__(self, size: int, ttl: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._ttl = ttl.total_seconds()
        self._clock = clock
        self._items: dict[str, tuple[float, T]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> T | None:
        """None when it is not there or too old."""
        found = self._items.get(key)
        if found is None or found[0] <= self._clock():
            return None
        return found[1]

    def put(self, key: str, value: T) -> None:
        self._items.pop(key, None)  # to the young end
        self._items[key] = (self._clock() + self._ttl, value)
        while len(self._items) > self._size:
            del self._items[next(iter(self._items))]

    def drop(self, key: str) -> None:
        self._items.pop(key, None)

    def clear(self) -> None:
        self._items.clear()
