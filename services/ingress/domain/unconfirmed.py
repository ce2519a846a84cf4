"""Messages that the broker may have although it did not confirm them: their peers were told 451 and try again.

The retry has the id of the first try, by which all consumers recognise the message: both are one message, whether the
broker had it or not. Each id serves one retry, so that the same octets sent twice on purpose stay two messages.
"""

from __future__ import annotations

from collections.abc import Callable

from libs.caching import TtlCache


class Unconfirmed:
    """Maps the key of a message to the ids of its tries for `window` seconds; the newest `max_entries` are kept."""

    def __init__(self, *, window: float, max_entries: int, clock: Callable[[], float]) -> None:
        self._window = window
        self._clock = clock
        self._tries: TtlCache[bytes, tuple[float, tuple[str, ...]]] = TtlCache(max_entries=max_entries, clock=clock)

    def record(self, key: bytes, id: str) -> None:
        """Record that it is unknown whether the message `id` was published."""
        _, ids = self._tries.get(key) or (0.0, ())
        self._tries.put(key, (self._clock() + self._window, (*ids, id)), seconds=self._window)

    def claim(self, key: bytes) -> str | None:
        """Take the id under which a retry is to be published, if any; a caller that fails records it again."""
        found = self._tries.get(key)
        if found is None:
            return None
        ends, ids = found
        self._tries.forget(key)
        if len(ids) > 1:
            self._tries.put(key, (ends, ids[1:]), seconds=ends - self._clock())
        return ids[0]
