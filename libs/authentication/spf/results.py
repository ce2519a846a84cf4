"""What SPF says of a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class SpfResult(Enum):
    """RFC 7208 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class SpfCheck:
    """`domain` is the one that was asked about (MAIL FROM's or HELO's); `reason` the term or the trouble that decided.

    `explanation` is the domain owner's text for a fail (6.2); empty when there is none.
    """

    result: SpfResult
    domain: str = ""
    reason: str = ""
    explanation: str = ""

    def __str__(self) -> str:
        """For reasons of findings."""
        return f"{self.domain}: {self.reason}{f' ({self.explanation})' if self.explanation else ''}"


class PermError(Exception):
    """The domain's records are wrong (2.6.7)."""
