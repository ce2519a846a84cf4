"""The words of RFC 8601 2.7 for what became of a signature, a chain, a policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

AuthenticationOutcome = Literal["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"]

# The TXT records of a name, the strings of each joined; empty if there are none. Raises `Temporary` (libs.envelope).
TxtLookup = Callable[[str], Awaitable[Sequence[str]]]


class VerificationFailed(Exception):
    """What was read decides nothing: `outcome` says how it is reported, `reason` why, in one plain line."""

    def __init__(self, outcome: AuthenticationOutcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: AuthenticationOutcome = outcome
        self.reason = reason
