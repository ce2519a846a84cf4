"""How slow a peer may be (RFC 5321 4.5.3.2): enough for an honest slow peer, too little for a slow-loris attack."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, and octets a second."""

    greeting_delay: float
    idle: float  # between commands
    command: float  # from the first to the last octet of a command
    data_block: float  # between the octets of a message
    grace: float  # of waiting, for a message that is slower than `min_rate`
    min_rate: float
    message: float  # from DATA to the end of the message


class Progress:
    """Tracks how fast one message arrives, from DATA or its first chunk to its end.

    A peer starts with a credit of `grace` seconds of waiting. Waiting uses it up; octets earn it back at the lowest
    rate, up to `grace`: a fast beginning does not pay for a slow end. The lowest rate grows with the octets that are
    held already (to the rate at which the message would be complete in time), so that the last octets of a large
    message cannot be withheld cheaply. Only the time in which this side waits for the peer counts. Times are loop
    times.
    """

    __slots__ = ("_credit", "_ends", "_timeouts", "octets")

    def __init__(self, timeouts: Timeouts, now: float) -> None:
        self._timeouts = timeouts
        self._credit = timeouts.grace
        self._ends = now + timeouts.message
        self.octets = 0

    def deadline(self, now: float) -> float:
        """Return the time at which the next octets must have arrived."""
        return min(now + min(self._credit, self._timeouts.data_block), self._ends)

    def waited(self, seconds: float) -> None:
        """Count the seconds in which nothing arrived."""
        self._credit -= seconds

    def received(self, octets: int) -> None:
        """Count octets of the message, or of the commands between its chunks."""
        self.octets += octets
        rate = max(self._timeouts.min_rate, self.octets / self._timeouts.message)
        self._credit = min(self._timeouts.grace, self._credit + octets / rate)
