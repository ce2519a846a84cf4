"""One process of the antivirus service, as a test sees it from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from libs.bus import Delivery
from libs.envelope import Envelope, Mail, Recipient, decode, new_id
from libs.envelope.model import utc_now
from libs.envelope.queues import ANTISPAM, ANTIVIRUS, QUARANTINE
from libs.runtime import Shared
from tests.waiting import eventually

WITHIN = 20.0


@dataclass
class Antivirus:
    """One process of the service, and what came out of it."""

    shared: Shared
    http: httpx.AsyncClient
    arrived: dict[str, Mail] = field(default_factory=dict)
    queue_of: dict[str, str] = field(default_factory=dict)

    async def send(self, raw: bytes, **given: Any) -> str:
        """Onto its queue, as ingress does; the id. `given` are fields of the envelope."""
        settled = {
            "id": new_id(utc_now()),
            "received_at": utc_now(),
            "recipients": (Recipient(address="jean.toto@example.org"),),
            "size_bytes": len(raw),
            "sha256": sha256(raw).hexdigest(),
            "verdicts": {},
        }
        envelope = Envelope(**{**settled, **given})
        await self.shared.outbox.send(ANTIVIRUS, Mail(envelope, raw))
        return envelope.id

    async def outcome(self, id: str) -> tuple[str, Envelope]:
        """The queue in which it arrived, and its envelope then."""
        await eventually(lambda: id in self.arrived)
        return self.queue_of[id], self.arrived[id].envelope

    async def call(self, method: str, path: str, *, expect: int = 200, token: str = "admin", **options: Any) -> Any:
        """An API call; its JSON where there is some."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self.http.request(method, path, headers=headers, **options)
        assert response.status_code == expect, response.text
        if expect >= 400:
            assert response.headers["content-type"] == "application/problem+json"
        return response.json() if response.content else None

    async def scan(self, octets: bytes, *, expect: int = 200) -> Any:
        return await self.call("POST", "/v1/scan", content=octets, expect=expect)

    async def missing(self) -> dict[str, str]:
        """What it needs and misses, and why. It answers all the while."""
        assert (await self.http.get("/readyz")).status_code == 200
        missing: dict[str, str] = (await self.http.get("/readyz?verbose")).json()["missing"]
        return missing

    async def series(self) -> str:
        return (await self.http.get("/metrics")).text

    async def note(self, delivery: Delivery) -> None:
        mail = decode(delivery.body)
        self.queue_of[mail.envelope.id] = delivery.queue
        self.arrived[mail.envelope.id] = mail
        await delivery.ack()


Start = Callable[..., Awaitable[Antivirus]]


async def collecting(process: Antivirus) -> Antivirus:
    """With everything that leaves it noted."""
    bus = process.shared.bus
    await bus.declare(ANTISPAM, QUARANTINE)
    for queue in (ANTISPAM, QUARANTINE):
        await bus.consume(queue, process.note)
    return process
