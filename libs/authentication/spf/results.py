"""The results of SPF."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class SpfResult(Enum):
    """The results of RFC 7208 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class SpfCheck:
    """The outcome of check_host(): `domain` is that of MAIL FROM or HELO, `reason` the term or the error that decided.

    `explanation` is the domain owner's text for a fail (RFC 7208 6.2); empty if there is none.
    """

    result: SpfResult
    domain: str = ""
    reason: str = ""
    explanation: str = ""

    def __str__(self) -> str:
        """Format the reason of a finding."""
        return f"{self.domain}: {self.reason}{f' ({self.explanation})' if self.explanation else ''}"


class PermError(Exception):
    """The records of the domain are invalid (RFC 7208 2.6.7)."""
