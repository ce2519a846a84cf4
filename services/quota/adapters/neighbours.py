"""The other services, over HTTP."""

from __future__ import annotations

from urllib.parse import quote

from libs.envelope import Permanent
from libs.http import Client
from services.quota.ports import MailboxTotals


class StoreCounter:
    """`GET /v1/mailboxes/{address}/usage?recount=true` of store."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def recount(self, address: str) -> MailboxTotals | None:
        response = await self._client.call("GET", f"/v1/mailboxes/{_quoted(address)}/usage", params={"recount": "true"})
        if response.status_code == 404:
            return None
        if response.is_error:
            raise Permanent(f"recount: {response.status_code} {response.text[:200]}")
        return MailboxTotals.model_validate({"address": address, **response.json()})


class RouterDirectory:
    """`GET /v1/recipients/{address}` of router."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def is_account(self, address: str) -> bool:
        response = await self._client.call("GET", f"/v1/recipients/{_quoted(address)}")
        return response.status_code == 200 and response.json().get("account") == address

    async def main_domain(self, domain: str) -> str | None:
        # Every domain has this address (RFC 5321 4.5.1), whether or not mail for it can be delivered.
        response = await self._client.call("GET", f"/v1/recipients/postmaster@{domain}")
        answer = response.json() if response.status_code == 200 else {}
        return (answer.get("domain") or None) if answer.get("status") in ("local", "unknown") else None


def _quoted(address: str) -> str:
    """RFC 5322 3.2.3 allows `/`, `?`, `#` and `%` in a local part."""
    return quote(address, safe="@")
