"""Messages that the broker may have although nobody said so: their peers were told 451, and will try again.

The retry goes under the id of the try before, by which all consumers know the message: it is one in effect, whether the
broker had it or not. Each id is for one retry, so that the same octets sent twice on purpose stay two messages.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class Unconfirmed:
    """From the key of a message to the ids of its tries, for `window` seconds, the newest `max_entries` keys."""

    def __init__(self, *, window: float, max_entries: int, clock: Callable[[], float]) -> None:
        self._window = window
        self._max_entries = max_entries
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, tuple[str, ...]]] = OrderedDict()

    def record(self, key: bytes, id: str) -> None:
        """Nobody knows what became of the message `id`."""
        now = self._clock()
        ends, ids = self._known.get(key, (now, ()))
        self._known[key] = (now + self._window, (*ids, id) if ends > now else (id,))
        self._known.move_to_end(key)
        while len(self._known) > self._max_entries:
            self._known.popitem(last=False)

    def claim(self, key: bytes) -> str | None:
        """The id under which the message is to be published now; it is the caller's, to use or to leave again."""
        if key not in self._known:
            return None
        ends, ids = self._known.pop(key)
        if ends <= self._clock():
            return None
        if len(ids) > 1:
            self._known[key] = (ends, ids[1:])
        return ids[0]
