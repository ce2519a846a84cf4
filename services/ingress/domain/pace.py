"""How slow a peer may be (RFC 5321 4.5.3.2): an honest slow one gets its time, a slow-loris does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds and octets a second."""

    greet: float
    idle: float
    command: float
    silence: float
    grace: float
    min_rate: float
    whole: float

    def next_octets(self, *, started: float, now: float, octets: int) -> float:
        """When the next octets of a message must be here at the latest, if `octets` came since `started`.

        A peer that is faster than the least rate gains time, but is never silent for long, and is done in the end.
        """
        return min(now + self.silence, started + self.grace + octets / self.min_rate, started + self.whole)
