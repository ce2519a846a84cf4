"""The table of temporarily blacklisted peers in memory."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime

from libs.network import Ip, Network, NetworkTable, banned_network


@dataclass(frozen=True, slots=True)
class BlacklistedPeer:
    """A peer that is blacklisted until a time in UTC."""

    address: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class _Entry:
    until: datetime
    reason: str


class BlacklistedPeerTable:
    """At most `capacity` networks; beyond it, those that expire first are dropped."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._entries: dict[Network, _Entry] = {}
        self._table: NetworkTable[_Entry] = NetworkTable()

    def __len__(self) -> int:
        return len(self._entries)

    def reason(self, peer: Ip, now: datetime) -> str | None:
        """Return why `peer`, or a network around it, is blacklisted now; None if it is not."""
        if not self._entries:
            return None
        return next((entry.reason for _, entry in self._table.around(peer) if entry.until > now), None)

    def blacklist(self, address: str, until: datetime, reason: str, now: datetime) -> None:
        """Blacklist an address or a network; an `until` that is over removes it.

        An IPv6 address stands for its /64. A text that is no network is ignored.
        """
        network = banned_network(address)
        if network is None:
            return
        self._remove(network)
        if until <= now:
            return
        self._entries[network] = entry = _Entry(until, reason)
        self._table.put(network, entry)
        if len(self._entries) > self._capacity:
            self._drop_surplus(now)

    def _remove(self, network: Network) -> None:
        if self._entries.pop(network, None) is not None:
            self._table.remove(network)

    def _drop_surplus(self, now: datetime) -> None:
        for network in [network for network, entry in self._entries.items() if entry.until <= now]:
            self._remove(network)
        surplus = len(self._entries) - self._capacity * 9 // 10
        for network in heapq.nsmallest(max(surplus, 0), self._entries, key=lambda each: self._entries[each].until):
            self._remove(network)
