"""Bounds the memory for messages in transfer: of all sessions, and of each network of peers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# The last eighth is reserved for messages up to this size, so that a few large ones do not keep ordinary mail out.
_ORDINARY_OCTETS = 1024 * 1024
_FOR_LARGE = 7 / 8


@dataclass(slots=True)
class _Usage:
    """What the messages of one network use."""

    messages: int = 0
    octets: int = 0


_NOTHING = _Usage()


class Budget:
    """Counts messages and bytes; beyond a limit a peer is told to try again later.

    A peer is given as its networks, the narrowest first (`libs.network.networks_of`). The narrowest may use
    `peer_share` of all, each wider one twice as much as the one before; but a message of `largest_bytes` always fits
    when its network uses nothing else.
    """

    def __init__(self, *, max_messages: int, max_bytes: int, peer_share: float = 1.0, largest_bytes: int = 0) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._large_bytes = max(int(max_bytes * _FOR_LARGE), min(largest_bytes, max_bytes))
        self._peer_messages = max(int(max_messages * peer_share), 1)
        self._peer_bytes = max(int(max_bytes * peer_share), largest_bytes)
        self._all = _Usage()
        self._networks: dict[str, _Usage] = {}

    @property
    def messages(self) -> int:
        return self._all.messages

    @property
    def held_bytes(self) -> int:
        return self._all.octets

    def open(self, expected_bytes: int, networks: Sequence[str] = ()) -> BudgetShare | None:
        """Begin a message; None when there are too many, or not enough memory for the announced size."""
        if not self.has_room(expected_bytes, networks):
            return None
        return BudgetShare(self, networks)

    def has_room(self, expected_bytes: int, networks: Sequence[str] = ()) -> bool:
        """Tell whether a message of that size could begin now."""
        held = self._all
        if held.messages >= self._max_messages or held.octets + expected_bytes > self._max_bytes:
            return False
        most_messages, most_bytes = self._peer_messages, self._peer_bytes
        for network in networks:
            held = self._networks.get(network, _NOTHING)
            if held.messages >= most_messages or held.octets + expected_bytes > most_bytes:
                return False
            most_messages, most_bytes = 2 * most_messages, 2 * most_bytes
        return True

    def count_message(self, networks: Sequence[str]) -> list[_Usage]:
        """Count one message; return the usage of each of its networks, and of all networks last."""
        every = []
        for network in networks:
            held = self._networks.get(network)
            if held is None:
                held = self._networks[network] = _Usage()
            held.messages += 1
            every.append(held)
        self._all.messages += 1
        every.append(self._all)
        return every

    def reserve(self, octets: int, every: Sequence[_Usage], *, of_message: int) -> bool:
        """Reserve more memory for a message that uses `of_message` so far; False, and nothing reserved, if full."""
        limit = self._max_bytes if of_message + octets <= _ORDINARY_OCTETS else self._large_bytes
        if self._all.octets + octets > limit:
            return False
        most = self._peer_bytes
        for held in every[:-1]:
            if held.octets + octets > most:
                return False
            most *= 2
        for held in every:
            held.octets += octets
        return True

    def release_message(self, networks: Sequence[str], every: Sequence[_Usage]) -> None:
        """Count one message less, and forget networks that use nothing."""
        for held in every:
            held.messages -= 1
        for network in networks:
            held = self._networks[network]
            if not held.messages:
                del self._networks[network]


class BudgetShare:
    """The part of the budget that one message uses."""

    __slots__ = ("_budget", "_every", "_networks", "_octets")

    def __init__(self, budget: Budget, networks: Sequence[str]) -> None:
        self._budget = budget
        self._networks = networks
        self._every = budget.count_message(networks)
        self._octets = 0

    def grow(self, octets: int) -> bool:
        """Reserve memory for incoming octets; False when there is none."""
        if not self._budget.reserve(octets, self._every, of_message=self._octets):
            return False
        self._octets += octets
        return True

    def shrink(self) -> None:
        """Release the memory; the message is still counted."""
        for held in self._every:
            held.octets -= self._octets
        self._octets = 0

    def close(self) -> None:
        """End the message."""
        self.shrink()
        self._budget.release_message(self._networks, self._every)
