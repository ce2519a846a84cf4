"""Peers that are refused for a short time, in memory."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime

from libs.network import Ip, Network, NetworkTable, banned_network


@dataclass(frozen=True, slots=True)
class BlacklistedPeer:
    """A peer that is refused until a moment, in UTC."""

    address: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class _Refused:
    until: datetime
    reason: str


class BlacklistedPeerTable:
    """At most `capacity` networks; when there are more, those go first whose time is over first."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._refused: dict[Network, _Refused] = {}
        self._table: NetworkTable[_Refused] = NetworkTable()

    def __len__(self) -> int:
        return len(self._refused)

    def reason(self, peer: Ip, now: datetime) -> str | None:
        """Why `peer`, or a network around it, is refused now; None if it is not."""
        if not self._refused:
            return None
        return next((refused.reason for _, refused in self._table.around(peer) if refused.until > now), None)

    def refuse(self, address: str, until: datetime, reason: str, now: datetime) -> None:
        """Refuse an address or a network until then; a moment that is over takes the refusal back.

        An IPv6 address stands for its /64. What is no network is left out.
        """
        network = banned_network(address)
        if network is None:
            return
        self._remove(network)
        if until <= now:
            return
        self._refused[network] = refused = _Refused(until, reason)
        self._table.put(network, refused)
        if len(self._refused) > self._capacity:
            self._make_room(now)

    def _remove(self, network: Network) -> None:
        if self._refused.pop(network, None) is not None:
            self._table.remove(network)

    def _make_room(self, now: datetime) -> None:
        for network in [network for network, refused in self._refused.items() if refused.until <= now]:
            self._remove(network)
        surplus = len(self._refused) - self._capacity * 9 // 10
        for network in heapq.nsmallest(max(surplus, 0), self._refused, key=lambda each: self._refused[each].until):
            self._remove(network)
