"""Messages in mailboxes, from store over HTTP."""

from __future__ import annotations

from urllib.parse import quote

from libs.envelope import Permanent
from libs.http import Client


class StoreMessages:
    """`GET /v1/mailboxes/{address}/messages/{id}/raw`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def raw(self, mailbox: str, id: str) -> bytes | None:
        """As the mailbox shows it; None when it is gone. Raises `Temporary`, `Permanent`."""
        path = f"/v1/mailboxes/{quote(mailbox, safe='@')}/messages/{quote(id, safe='')}/raw"
        response = await self._client.call("GET", path)
        if response.status_code == 404:
            return None
        if response.is_error:
            raise Permanent(f"{path}: {response.status_code} {response.text[:200]}")
        return response.content
