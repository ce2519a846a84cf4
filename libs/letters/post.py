"""The way in for letters of ours."""

from __future__ import annotations

from libs.envelope import Permanent
from libs.http import Client


class IngressPost:
    """`POST /v1/messages` of ingress with the null sender (RFC 3834 3.3); its idempotency key makes a letter single."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, letter: bytes, *, to: str, key: str) -> None:
        """Returns when the letter is on its way. Raises `Temporary`; `Permanent` when it is not taken."""
        response = await self._client.call(
            "POST",
            "/v1/messages",
            params={"from": "", "to": to},
            content=letter,
            headers={"Content-Type": "message/rfc822", "Idempotency-Key": key},
        )
        if response.is_error:
            raise Permanent(f"letter: {response.status_code} {response.text[:200]}")
