"""How slow a peer may be (RFC 5321 4.5.3.2): an honest slow one gets its time, a slow-loris does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, and `min_rate` in octets a second.

    `greet_delay`: before the greeting. `idle`: between commands. `command`: from the first to the last octet of one.
    `silence`: within a message. `grace`: of waiting that a slow message may take. `whole`: for a message as a whole.
    """

    greet_delay: float
    idle: float
    command: float
    silence: float
    grace: float
    min_rate: float
    whole: float


class Progress:
    """How one message comes in, from DATA or its first chunk to its end.

    A peer has `grace` seconds of waiting. What comes in earns them again at the least rate, and never more of them: a
    fast beginning buys no slow end. The least rate grows with what is held already (to that at which the message would
    be whole in time), so that the last octets of a large message cannot be withheld cheaply. Only time in which we wait
    for the peer counts. Times are those of the loop.
    """

    __slots__ = ("_credit", "_ends", "_timeouts", "octets")

    def __init__(self, timeouts: Timeouts, now: float) -> None:
        self._timeouts = timeouts
        self._credit = timeouts.grace
        self._ends = now + timeouts.whole
        self.octets = 0

    def deadline(self, now: float) -> float:
        """When the next octets must be here at the latest."""
        return min(now + min(self._credit, self._timeouts.silence), self._ends)

    def waited(self, seconds: float) -> None:
        """So long nothing came."""
        self._credit -= seconds

    def came(self, octets: int) -> None:
        """Octets of the message, or of the commands between its chunks, came in."""
        self.octets += octets
        rate = max(self._timeouts.min_rate, self.octets / self._timeouts.whole)
        self._credit = min(self._timeouts.grace, self._credit + octets / rate)
