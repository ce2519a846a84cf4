"""DKIM: verifies the signatures of a message (RFC 6376 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.authentication.keys import find_key
from libs.authentication.message import SignedMessage
from libs.authentication.results import AuthenticationOutcome, TxtLookup, VerificationFailed
from libs.authentication.signature import Signature
from libs.envelope import Temporary

MAX_SIGNATURES = 10  # RFC 6376 8.4: a thousand of them would be a denial of service


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """The result for one signature; `domain` and `selector` are empty if it cannot be parsed."""

    outcome: AuthenticationOutcome
    reason: str = ""
    domain: str = ""
    selector: str = ""
    algorithm: str = ""


async def verify(message: SignedMessage, *, txt: TxtLookup, now: datetime) -> Sequence[SignatureResult]:
    """Verify the first ten signatures, from the top; the result is empty if there are none. Never raises."""
    fields = message.named(b"dkim-signature")[:MAX_SIGNATURES]
    return await asyncio.gather(*(_verify(field, message, txt, now) for field in fields))


async def _verify(field: bytes, message: SignedMessage, txt: TxtLookup, now: datetime) -> SignatureResult:
    try:
        signature = Signature.of(field)
    except VerificationFailed as error:
        return SignatureResult(error.outcome, error.reason)
    outcome, reason = await _outcome(signature, message, txt, now)
    return SignatureResult(outcome, reason, signature.domain, signature.selector, f"{signature.kind}-sha256")


async def _outcome(
    signature: Signature, message: SignedMessage, txt: TxtLookup, now: datetime
) -> tuple[AuthenticationOutcome, str]:
    try:
        key = await find_key(signature.selector, signature.domain, txt)
        try:
            await signature.check(key, message, now)
        except VerificationFailed as error:
            # RFC 6376 3.6.1: while the owner tests DKIM, a failure counts as an unsigned message.
            return (
                ("neutral", f"{error.reason}, the key is in test mode")
                if key.testing
                else (error.outcome, error.reason)
            )
    except VerificationFailed as error:
        return error.outcome, error.reason
    except Temporary as error:
        return "temperror", error.reason
    return "pass", ""
