"""The router over HTTP: who is a manager."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from libs.envelope import Temporary
from libs.http import Client


class _Sender(BaseModel):
    profile: str = "standard"


class RouterAccounts:
    """`GET /v1/senders/{account}`. Asked for training addresses only, so nothing is kept."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def profile(self, account: str) -> str | None:
        response = await self._client.call("GET", f"/v1/senders/{quote(account, safe='@')}")
        if response.status_code == 404:
            return None
        try:
            return _Sender.model_validate_json(response.content).profile
        except ValidationError as error:
            raise Temporary(f"router: {response.status_code}, {error.error_count()} errors in the answer") from error
