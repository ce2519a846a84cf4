"""Signed links that need no login; each has a purpose and an expiry.

A token is `payload.signature`, both in base64url (RFC 4648 5); the payload is JSON, the signature HMAC-SHA-256 (RFC
2104). The holder of a token may do what it says and nothing else, so it is mailed to one person only.
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
    """The token is forged, damaged, expired or for another purpose. The holder is not told which."""


@dataclass(frozen=True, slots=True)
class QuarantineLink:
    """`validate`: the sender of the message `entry` solves a captcha. `own`: `recipients` of the message decide."""

    purpose: Purpose
    entry: str
    expires_at: datetime
    recipients: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the same key for every token of the same link."""
        return "|".join((self.purpose, self.entry, *self.recipients))


class TokenSigner:
    """Signs with the first of `secrets` and verifies with all, so that they can be rotated."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = secrets

    def token(self, link: QuarantineLink) -> str:
        return self.sign("link", [link.purpose, link.entry, int(link.expires_at.timestamp()), *link.recipients])

    def link(self, token: str, purpose: Purpose, now: datetime) -> QuarantineLink:
        """Verify the token of a link. Raises `InvalidToken`."""
        match self.verify("link", token):
            case [str(found), str(held), int(epoch), *recipients] if found == purpose and epoch > now.timestamp():
                return QuarantineLink(purpose, held, datetime.fromtimestamp(epoch, UTC), tuple(map(str, recipients)))
            case _:
                raise InvalidToken

    def sign(self, kind: str, content: Sequence[str | int]) -> str:
        """Sign `content` as a token that is valid as `kind` only."""
        payload = json.dumps(content, separators=(",", ":")).encode()
        return f"{_text(payload)}.{_text(self._signature(self._secrets[0], kind, payload))}"

    def verify(self, kind: str, token: str) -> list[object]:
        """Verify a token and return its content. Raises `InvalidToken`."""
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
        """Derive 32 octets from the first secret, unpredictable without it."""
        return self._signature(self._secrets[0], kind, text.encode())

    @staticmethod
    def _signature(secret: bytes, kind: str, payload: bytes) -> bytes:
        return hmac.digest(secret, kind.encode() + b"\0" + payload, "sha256")


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
