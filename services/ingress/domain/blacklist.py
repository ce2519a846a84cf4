"""Peers that are refused at connect for a while (R-IN-10): cached, bounded, forgotten by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """`until_epoch` in seconds, UTC."""

    address: str
    until_epoch: float
    reason: str


class Blacklist:
    """Keys are as `peers.counted_as` gives them. `clock` gives epoch seconds."""

    def __init__(self, *, max_entries: int, clock: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Replaces what was known of the address; an entry that is over takes it off."""
        self._entries.pop(entry.address, None)
        if entry.until_epoch <= self._clock():
            return
        if len(self._entries) >= self._max_entries:
            self._make_room()
        self._entries[entry.address] = entry

    def holds(self, address: str) -> bool:
        """Whether the peer is refused now."""
        entry = self._entries.get(address)
        return entry is not None and entry.until_epoch > self._clock()

    def entries(self) -> list[Entry]:
        """Those that hold now, by address."""
        now = self._clock()
        return sorted((e for e in self._entries.values() if e.until_epoch > now), key=lambda e: e.address)

    def _make_room(self) -> None:
        """Those that are over go; if none is, the oldest."""
        now = self._clock()
        self._entries = {key: entry for key, entry in self._entries.items() if entry.until_epoch > now}
        if len(self._entries) >= self._max_entries:
            del self._entries[next(iter(self._entries))]
