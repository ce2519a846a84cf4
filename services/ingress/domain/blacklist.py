"""Peers that are banned for a while: in memory, bounded, with an expiry for each."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from libs.network import Ip, Network, NetworkTable, banned_network, parsed

_KEPT_WHEN_FULL = 0.9


@dataclass(frozen=True, slots=True)
class BlacklistEntry:
    """A ban. `address` is an address or a network; `until_epoch` is in seconds, UTC."""

    address: str
    until_epoch: float
    reason: str


class Blacklist:
    """The bans of this process. `clock` returns epoch seconds."""

    def __init__(self, *, max_entries: int, clock: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[Network, BlacklistEntry] = {}
        self._table: NetworkTable[BlacklistEntry] = NetworkTable()

    def put(self, entry: BlacklistEntry) -> bool:
        """Replace the ban of a network; an entry that has expired lifts it. False when the address is not valid."""
        network = banned_network(entry.address)
        if network is None:
            return False
        self._remove(network)
        if entry.until_epoch > self._clock():
            if len(self._entries) >= self._max_entries:
                self._make_room()
            self._entries[network] = entry
            self._table.put(network, entry)
        return True

    def is_banned(self, address: str) -> bool:
        """Tell whether the peer at `address` is banned now."""
        if not self._entries or (peer := parsed(address)) is None:
            return False
        return self._is_banned(peer)

    def has_entry(self, address: str) -> bool:
        """Tell whether there is a ban of exactly this address or network."""
        network = banned_network(address)
        entry = self._entries.get(network) if network is not None else None
        return entry is not None and entry.until_epoch > self._clock()

    def entries(self) -> list[BlacklistEntry]:
        """Return the bans that are in force, by address."""
        now = self._clock()
        return sorted((e for e in self._entries.values() if e.until_epoch > now), key=lambda e: e.address)

    def _is_banned(self, peer: Ip) -> bool:
        now = self._clock()
        return any(entry.until_epoch > now for _, entry in self._table.around(peer))

    def _remove(self, network: Network) -> None:
        if self._entries.pop(network, None) is not None:
            self._table.remove(network)

    def _make_room(self) -> None:
        """Remove the tenth of the bans that expires first, so that a flood of bans does not sort them for each."""
        surplus = len(self._entries) - int(self._max_entries * _KEPT_WHEN_FULL)
        for network in heapq.nsmallest(
            max(surplus, 1), self._entries, key=lambda each: self._entries[each].until_epoch
        ):
            self._remove(network)
