"""What the router says of domains, over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel

from libs.envelope import Permanent, Temporary
from libs.http import Client, Page

_AT_ONCE = 200  # domains in one answer


class _JunkKeep(BaseModel):
    domain: str
    days: int


class RouterJunkKeeps:
    """`GET /v1/junk-keeps` of router, page by page."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def by_domain(self) -> dict[str, timedelta]:
        keeps: dict[str, timedelta] = {}
        after: str | None = ""
        while after is not None:
            page = await self._page(after)
            keeps |= {item.domain: timedelta(days=item.days) for item in page.items}
            after = page.next
        return keeps

    async def _page(self, after: str) -> Page[_JunkKeep]:
        params = {"after": after, "limit": _AT_ONCE}
        try:
            return await self._client.model(Page[_JunkKeep], "GET", "/v1/junk-keeps", params=params)
        except Permanent as error:
            raise Temporary(error.reason) from error  # a router of an older version, during an update


class _Account(BaseModel):
    made_at: AwareDatetime


class RouterDirectory:
    """`GET /v1/births/{address}` of router."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def made_at(self, address: str) -> datetime | None:
        response = await self._client.call("GET", f"/v1/births/{quote(address, safe='@')}")
        if response.status_code == 404 and response.headers.get("content-type", "").startswith("application/problem"):
            return None
        if response.is_error:
            raise Temporary(f"router: {response.status_code} {response.text[:200]}")
        return _Account.model_validate_json(response.content).made_at
