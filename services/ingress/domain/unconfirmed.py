"""Messages that the broker may have although nobody said so: their peers were told 451, and will try again.

The retry goes under the id of the try before, by which all consumers know the message: it is one in effect, whether the
broker had it or not. Each id is for one retry, so that the same octets sent twice on purpose stay two messages.
"""

from __future__ import annotations

from collections.abc import Callable

from libs.caching import TtlCache


class Unconfirmed:
    """From the key of a message to the ids of its tries, for `window` seconds, the newest `max_entries` keys."""

    def __init__(self, *, window: float, max_entries: int, clock: Callable[[], float]) -> None:
        self._window = window
        self._clock = clock
        self._tries: TtlCache[bytes, tuple[float, tuple[str, ...]]] = TtlCache(max_entries=max_entries, clock=clock)

    def record(self, key: bytes, id: str) -> None:
        """Nobody knows what became of the message `id`."""
        _, ids = self._tries.get(key) or (0.0, ())
        self._tries.put(key, (self._clock() + self._window, (*ids, id)), seconds=self._window)

    def claim(self, key: bytes) -> str | None:
        """The id under which the message is to be published now; it is the caller's, to use or to leave again."""
        found = self._tries.get(key)
        if found is None:
            return None
        ends, ids = found
        self._tries.forget(key)
        if len(ids) > 1:
            self._tries.put(key, (ends, ids[1:]), seconds=ends - self._clock())
        return ids[0]
