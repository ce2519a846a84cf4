"""The API of ingress: the way in for messages that the services write."""

from __future__ import annotations

from hashlib import sha256

from libs.envelope import Permanent
from libs.http import Client
from libs.neighbours.operations import Operation, WireModel


class Submission(WireModel):
    """A message that was taken; nothing of it is read."""


SUBMIT = Operation("POST", "/v1/messages", Submission)
OPERATIONS = (SUBMIT,)


class IngressClient:
    """Sends messages with the null sender (RFC 3834 3.3); an idempotency key makes each single."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, letter: bytes, *, to: str, key: str) -> None:
        """Returns when the letter is on its way. Raises `Temporary`; `Permanent` when it is not taken."""
        response = await self._client.call(
            "POST",
            SUBMIT.target(),
            params={"from": "", "to": to},
            content=letter,
            headers={"Content-Type": "message/rfc822", "Idempotency-Key": idempotency_key(key)},
        )
        if response.is_error:
            raise Permanent(f"letter: {response.status_code} {response.text[:200]}")


def idempotency_key(key: str) -> str:
    """A digest of `key`, which may hold addresses: a field of HTTP is ASCII (RFC 9110 5.5) and an account is not."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
