"""The results of RFC 8601 2.7 for a signature, a chain, a policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

AuthenticationOutcome = Literal["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"]

# Looks up the TXT records of a name, the strings of each joined; empty if there are none. Raises `Temporary`.
TxtLookup = Callable[[str], Awaitable[Sequence[str]]]


class VerificationFailed(Exception):
    """A signature, key or seal does not verify: `outcome` is the result to report, `reason` says why in one line."""

    def __init__(self, outcome: AuthenticationOutcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: AuthenticationOutcome = outcome
        self.reason = reason
