"""How many connections may be open at once, in all and from one peer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


class ConnectionLimits:
    """Counts the connections of all listeners together, and those of each network that a peer belongs to.

    A peer is given as its networks, the narrowest first (`libs.network.networks_of`). The narrowest network may have
    `limit_per_peer` connections, each wider one twice as many as the one before.
    """

    def __init__(self, *, limit: int, limit_per_peer: int) -> None:
        self._limit = limit
        self._limit_per_peer = limit_per_peer
        self._peers: Counter[str] = Counter()
        self._total = 0

    def open(self) -> bool:
        """Count one more connection. False, and nothing counted, when all places are taken."""
        if self._total >= self._limit:
            return False
        self._total += 1
        return True

    def assign(self, networks: Sequence[str]) -> bool:
        """Count an open connection for its peer. False, and nothing counted, when the peer has too many."""
        for step, network in enumerate(networks):
            if self._peers.get(network, 0) >= self._limit_per_peer << step:
                return False
        self._peers.update(networks)
        return True

    def close(self, networks: Sequence[str]) -> None:
        """Count one connection less; `networks` are those that it was assigned to, if any."""
        self._total -= 1
        for network in networks:
            self._peers[network] -= 1
            if not self._peers[network]:
                del self._peers[network]
