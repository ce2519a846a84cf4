"""Messages for the store, and a face of the running store for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from libs.envelope import Mail, new_id
from libs.envelope.model import utc_now
from libs.envelope.queues import STORE
from libs.runtime import Shared
from tests import builders
from tests.waiting import eventually

MARIE, JEAN = "marie@example.org", "jean@example.org"


def a_message(text: str = "hello", *, subject: str = "greetings", extra: str = "", size: int = 0) -> bytes:
    """A small RFC 5322 message, or one of about `size` bytes."""
    head = f"From: Luc <luc@example.com>\r\nTo: all@example.org\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n{extra}"
    lines = "x" * 76 + "\r\n"
    return f"{head}\r\n{text}\r\n{lines * (size // len(lines))}".encode()


def a_mail(raw: bytes, *recipients: str, **given: Any) -> Mail:
    """A mail as the router publishes it."""
    now = utc_now()
    usual = {"id": new_id(now), "received_at": now, "mail_from": "luc@example.com"}
    to = [builders.a_recipient(address, original=address) for address in (recipients or (MARIE,))]
    return builders.a_mail(*to, raw=raw, **{**usual, **given})


@dataclass
class Store:
    """A running store: its queues and its API."""

    shared: Shared
    http: httpx.AsyncClient
    quota: httpx.AsyncClient
    settings: Any

    async def deliver(self, *mails: Mail) -> None:
        await asyncio.gather(*(self.shared.outbox.send(STORE, mail) for mail in mails))

    async def get(self, path: str, **params: Any) -> Any:
        response = await self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def items(self, address: str = MARIE, **params: Any) -> list[dict[str, Any]]:
        response = await self.http.get(f"/v1/mailboxes/{address}/messages", params=params)
        return response.json()["items"] if response.status_code == 200 else []

    async def all_items(self, address: str, **params: Any) -> list[dict[str, Any]]:
        """The messages of all pages; none while the mailbox does not exist."""
        items: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            response = await self.http.get(
                f"/v1/mailboxes/{address}/messages", params={"limit": 200, **params, **after}
            )
            if response.status_code != 200:
                return []
            page = response.json()
            items += page["items"]
            if page["next"] is None:
                return items
            after = {"after": page["next"]}

    async def raw(self, address: str, id: str) -> bytes:
        response = await self.http.get(f"/v1/mailboxes/{address}/messages/{id}/raw")
        assert response.status_code == 200, response.text
        return response.content

    async def until(self, condition: Callable[[], Awaitable[Any]], *, seconds: float = 30) -> Any:
        """The first true value of `condition`."""
        return await eventually(condition, seconds=seconds)

    async def until_count(self, count: int, address: str = MARIE, **params: Any) -> list[dict[str, Any]]:
        async def there() -> list[dict[str, Any]] | None:
            items = await self.all_items(address, **params)
            return items if len(items) >= count else None

        found = await self.until(there)
        assert len(found) == count
        return list(found)
