"""Peers that are refused at connect for a while (R-IN-10): cached, bounded, forgotten by themselves."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from libs.network import Ip, Network, NetworkTable, network_of, parsed, parsed_network

# A ban of more would be a mistake, of a person or of a service.
_WIDEST = {4: 8, 6: 16}
_KEPT_WHEN_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Entry:
    """`address` is an address or a network, `until_epoch` in seconds, UTC."""

    address: str
    until_epoch: float
    reason: str


def banned_network(text: str) -> Network | None:
    """What a ban of this address or network refuses: an IPv6 address stands for its /64. None if it is neither.

    None too for a network that is wider than a /8 of IPv4 or a /16 of IPv6.
    """
    network = parsed_network(text if "/" in text else network_of(text))
    return None if network is None or network.prefixlen < _WIDEST[network.version] else network


def shown(network: Network) -> str:
    """A network as people write it: an IPv4 address alone has no prefix."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


class Blacklist:
    """`clock` gives epoch seconds."""

    def __init__(self, *, max_entries: int, clock: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[Network, Entry] = {}
        self._table: NetworkTable[Entry] = NetworkTable()

    def add(self, entry: Entry) -> bool:
        """Replaces what was known of the network; an entry that is over takes it off. False for what is no network."""
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

    def refuses(self, address: str) -> bool:
        """Whether the peer at `address` is refused now."""
        if not self._entries or (peer := parsed(address)) is None:
            return False
        return self._refuses(peer)

    def holds(self, address: str) -> bool:
        """Whether there is an entry for this very address or network."""
        network = banned_network(address)
        entry = self._entries.get(network) if network is not None else None
        return entry is not None and entry.until_epoch > self._clock()

    def entries(self) -> list[Entry]:
        """Those that hold now, by address."""
        now = self._clock()
        return sorted((e for e in self._entries.values() if e.until_epoch > now), key=lambda e: e.address)

    def _refuses(self, peer: Ip) -> bool:
        now = self._clock()
        return any(entry.until_epoch > now for _, entry in self._table.around(peer))

    def _remove(self, network: Network) -> None:
        if self._entries.pop(network, None) is not None:
            self._table.remove(network)

    def _make_room(self) -> None:
        """A tenth at a time, so that a flood of bans does not sort them all for each: those go that are over first."""
        surplus = len(self._entries) - int(self._max_entries * _KEPT_WHEN_FULL)
        for network in heapq.nsmallest(
            max(surplus, 1), self._entries, key=lambda each: self._entries[each].until_epoch
        ):
            self._remove(network)
