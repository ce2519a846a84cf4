"""How much of what is being received may be in memory at once, all sessions together."""

from __future__ import annotations


class Budget:
    """Beyond its limits a peer is told to come again, for nothing is buffered without bound."""

    def __init__(self, *, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self.messages = 0
        self.held_bytes = 0

    def open(self, expected_bytes: int) -> Share | None:
        """Begin a message; None when it is one too many, or when there is no room for what it promised."""
        if not self.has_room(expected_bytes):
            return None
        self.messages += 1
        return Share(self)

    def has_room(self, expected_bytes: int) -> bool:
        """Whether a message of that size could begin now."""
        return self.messages < self._max_messages and self.held_bytes + expected_bytes <= self._max_bytes

    def take(self, octets: int) -> bool:
        """False, and nothing taken, when there is no room."""
        if self.held_bytes + octets > self._max_bytes:
            return False
        self.held_bytes += octets
        return True


class Share:
    """What one message holds of the budget."""

    __slots__ = ("_budget", "_octets")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._octets = 0

    def grow(self, octets: int) -> bool:
        """Octets came in; False when there is no room for them."""
        if not self._budget.take(octets):
            return False
        self._octets += octets
        return True

    def shrink(self) -> None:
        """The octets were let go; the message is still counted."""
        self._budget.held_bytes -= self._octets
        self._octets = 0

    def close(self) -> None:
        """The message is gone."""
        self.shrink()
        self._budget.messages -= 1
