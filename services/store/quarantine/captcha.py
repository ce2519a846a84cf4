"""The captcha of the validation page: what is asked, and which answer is right.

A challenge is signed, belongs to one link, ends soon and is good once. Its answer is made from its nonce with the
secret, so that no page holds it, no replica has to tell the others, and showing one writes nothing.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from services.store.quarantine.links import InvalidToken, QuarantineLink, TokenSigner

# Without those that look alike or sound alike in a picture: 0 O D Q, 1 I L J, 2 Z, 5 S, 8 B, U V, M N.
ALPHABET = "ACEFGHKPRTWXY34679"
CHARACTERS = 6


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a person is asked: the characters of a picture. A question in words would be read by a machine, too."""

    token: str
    nonce: str
    answer: str

    def accepts(self, given: str) -> bool:
        """In any case and with any spaces; compared in constant time."""
        wanted = "".join(given.split()).upper()[:50]
        return hmac.compare_digest(wanted.encode(), self.answer.encode())


class Captcha:
    """Makes challenges and knows them again."""

    def __init__(self, signer: TokenSigner, *, keep: timedelta) -> None:
        self._signer = signer
        self.keep = keep

    def issue(self, link: QuarantineLink, *, nonce: str, now: datetime) -> Challenge:
        """`nonce` is random."""
        epoch = int((now + self.keep).timestamp())
        token = self._signer.sign("challenge", ["picture", nonce, _bound(link), epoch])
        return self._challenge(token, nonce)

    def verify(self, token: str, link: QuarantineLink, now: datetime) -> Challenge:
        """Raises `InvalidToken` for another link's and for one that is too old."""
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
