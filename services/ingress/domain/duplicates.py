"""Messages whose 250 may not have reached the peer (RFC 1047): a retry gets the same reply and no second copy.

Only those are kept. A peer that went on after the 250 has read it, and may send the same octets again on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256

from libs.caching import TtlCache


class Duplicates:
    """Maps the key of a message to its id for `window` seconds; the newest `max_entries` are kept."""

    def __init__(self, *, window: float, max_entries: int, clock: Callable[[], float]) -> None:
        self._window = window
        self._ids: TtlCache[bytes, str] = TtlCache(max_entries=max_entries, clock=clock)

    def remember(self, key: bytes, id: str) -> None:
        """Remember a message that was accepted as `id`, which the peer may not know."""
        self._ids.put(key, id, seconds=self._window)

    def id_of(self, key: bytes) -> str | None:
        """Return the id under which the message was accepted before, if it was."""
        return self._ids.get(key)


def message_key(peer: str, mail_from: str, recipients: Iterable[str], digest: str) -> bytes:
    """Return one key for peer, envelope and content."""
    return sha256("\0".join((peer, mail_from, *sorted(recipients), digest)).encode("utf-8", "surrogatepass")).digest()
