"""Links that act without a login: what a link is for is signed into it, and it ends.

A token is `payload.signature`, both in the URL alphabet of base64; the payload is JSON, the signature HMAC-SHA-256
(RFC 2104). Whoever has the token may do what it says and nothing else, so that it travels in mail to one person only.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

MAX_TOKEN = 4096  # characters

Purpose = Literal["validate", "own"]


class InvalidToken(Exception):
    """Forged, damaged, for something else, or past its end: whoever shows it learns no more than that."""


@dataclass(frozen=True, slots=True)
class QuarantineLink:
    """`validate`: the sender of the entry `held` shows that it is a person. `own`: `recipients` of it decide."""

    purpose: Purpose
    entry: str
    expires_at: datetime
    recipients: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The same for every token of the same link, whenever it was made."""
        return "|".join((self.purpose, self.entry, *self.recipients))


class TokenSigner:
    """Signs with the first of `secrets` and takes all of them, so that they rotate."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = secrets

    def token(self, link: QuarantineLink) -> str:
        return self.sign("link", [link.purpose, link.entry, int(link.expires_at.timestamp()), *link.recipients])

    def link(self, token: str, purpose: Purpose, now: datetime) -> QuarantineLink:
        """Raises `InvalidToken`."""
        match self.verify("link", token):
            case [str(found), str(held), int(epoch), *recipients] if found == purpose and epoch > now.timestamp():
                return QuarantineLink(purpose, held, datetime.fromtimestamp(epoch, UTC), tuple(map(str, recipients)))
            case _:
                raise InvalidToken

    def sign(self, kind: str, content: Sequence[str | int]) -> str:
        """`content` in a token that is good as `kind` only."""
        payload = json.dumps(content, separators=(",", ":")).encode()
        return f"{_text(payload)}.{_text(self._signature(self._secrets[0], kind, payload))}"

    def verify(self, kind: str, token: str) -> list[object]:
        """Raises `InvalidToken`."""
        payload, _, signature = token[:MAX_TOKEN].partition(".")
        try:
            content, given = _octets(payload), _octets(signature)
        except (Error, ValueError):
            raise InvalidToken from None
        if not any(hmac.compare_digest(given, self._signature(secret, kind, content)) for secret in self._secrets):
            raise InvalidToken
        found: list[object] = json.loads(content)
        return found

    def digest(self, kind: str, text: str) -> bytes:
        """32 octets that nobody can know who does not know the secret; the first secret counts."""
        return self._signature(self._secrets[0], kind, text.encode())

    @staticmethod
    def _signature(secret: bytes, kind: str, payload: bytes) -> bytes:
        return hmac.digest(secret, kind.encode() + b"\0" + payload, "sha256")


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
