"""The captcha of the validation page.

A challenge is signed, bound to one link, short-lived and valid once. Its answer is derived from its nonce and the
secret, so that no page contains it, replicas share no state, and showing a captcha writes nothing.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from services.store.quarantine.links import InvalidToken, QuarantineLink, TokenSigner

# Characters that look alike in an image are left out: 0 O D Q, 1 I L J, 2 Z, 5 S, 8 B, U V, M N.
ALPHABET = "ACEFGHKPRTWXY34679"
CHARACTERS = 6


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge: the characters of an image. A machine would read a question in words as well."""

    token: str
    nonce: str
    answer: str

    def accepts(self, given: str) -> bool:
        """Ignores case and spaces; compares in constant time."""
        wanted = "".join(given.split()).upper()[:50]
        return hmac.compare_digest(wanted.encode(), self.answer.encode())


class Captcha:
    """Issues and verifies challenges."""

    def __init__(self, signer: TokenSigner, *, keep: timedelta) -> None:
        self._signer = signer
        self.keep = keep

    def issue(self, link: QuarantineLink, *, nonce: str, now: datetime) -> Challenge:
        """Issue a challenge for the link; `nonce` is random."""
        epoch = int((now + self.keep).timestamp())
        token = self._signer.sign("challenge", ["picture", nonce, _bound(link), epoch])
        return self._challenge(token, nonce)

    def verify(self, token: str, link: QuarantineLink, now: datetime) -> Challenge:
        """Return the challenge of the token. Raises `InvalidToken` for another link and for an expired challenge."""
        match self._signer.verify("challenge", token):
            case ["picture", str(nonce), str(bound), int(epoch)] if epoch > now.timestamp():
                if bound == _bound(link):
                    return self._challenge(token, nonce)
        raise InvalidToken

    def _challenge(self, token: str, nonce: str) -> Challenge:
        digest = self._signer.digest("answer to a picture", nonce)
        return Challenge(token, nonce, "".join(ALPHABET[octet % len(ALPHABET)] for octet in digest[:CHARACTERS]))


def _bound(link: QuarantineLink) -> str:
    return sha256(link.key.encode()).hexdigest()[:32]
