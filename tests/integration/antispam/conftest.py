"""Replicas of antispam with their queue, events and HTTP, on a real MongoDB and a bus of each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from libs.bus import Delivery
from libs.bus.embedded import EmbeddedBus
from libs.envelope import Envelope, Mail, Peer, Recipient, decode, new_id, queues
from libs.mongo import Mongo
from libs.runtime import Outbox, Shared
from services.antispam import app
from tests.servers.replicas import Replica, api_client, service_process, shared_in
from tests.servers.zone import Zone, ZoneServer
from tests.specimens.antispam import ZONE

HAM = b"""From: Jean <jean@elsewhere.example>\r
To: Marie <marie@example.org>\r
Subject: the minutes of the meeting\r
Date: Thu, 01 Jan 2026 11:00:00 +0000\r
Message-ID: <1@elsewhere.example>\r
\r
Dear Marie,\r
here are the minutes of our meeting of Tuesday, with the list of what is left to do.\r
"""


class AntispamReplica(Replica):
    """One process of antispam."""

    async def check(self, raw: bytes = HAM, **params: Any) -> Any:
        return (await self.call("POST", "/v1/check", content=raw, params=params)).json()

    async def outcome(self, filter_name: str, raw: bytes = HAM, **params: Any) -> str:
        checked = await self.check(raw, **params)
        return next(str(found["outcome"]) for found in checked["findings"] if found["filter"] == filter_name)


@dataclass
class Post:
    """Publishes mail to `mail.antispam` and keeps the results by queue."""

    outbox: Outbox
    arrived: dict[str, list[Mail]] = field(default_factory=lambda: {queues.ROUTER: [], queues.QUARANTINE: []})

    async def send(self, raw: bytes = HAM, *to: str, **fields: Any) -> str:
        """Send a message and return its id. All recipients are local but those of elsewhere.example."""
        mail = a_mail(raw, *(to or ("marie@example.org",)), **fields)
        await self.outbox.send(queues.ANTISPAM, mail)
        return mail.envelope.id

    async def taken(self, id: str, *, pieces: int = 1, within: float = 20) -> dict[str, Mail]:
        """Wait until the message is in this many queues and return it by queue."""
        async with asyncio.timeout(within):
            while len(found := self._found(id)) < pieces:
                await asyncio.sleep(0.01)
        return found

    def _found(self, id: str) -> dict[str, Mail]:
        return {
            queue: mail for queue, mails in self.arrived.items() for mail in mails if mail.envelope.id == id
        }  # fmt: skip


def a_mail(raw: bytes, *to: str, **fields: Any) -> Mail:
    now = datetime.now(UTC)
    ours = {address: "" if address.endswith("elsewhere.example") else address.rpartition("@")[2] for address in to}
    given = {"mail_from": "jean@elsewhere.example", "peer": Peer(address="192.0.2.1", helo="mx.elsewhere.example")}
    recipients = tuple(Recipient(address=address, domain=domain) for address, domain in ours.items())
    envelope = Envelope(
        id=new_id(now), received_at=now, size_bytes=len(raw), sha256=sha256(raw).hexdigest(),
        verdicts={}, **{"recipients": recipients, **given, **fields},
    )  # fmt: skip
    return Mail(envelope, raw)


Start = Callable[..., Awaitable[AntispamReplica]]


@pytest.fixture
def shared(tmp_path: Path, mongo: Mongo, bus: EmbeddedBus) -> Shared:
    return shared_in(tmp_path, mongo, bus, inline_limit_bytes=100_000)


@pytest.fixture
async def start(shared: Shared, free_port: Callable[[], int], zone_server: ZoneServer) -> AsyncIterator[Start]:
    """Start a replica. All of a test share bus and database; their DNS has valid records of elsewhere.example."""
    zone_server.zone = Zone(ZONE)
    async with AsyncExitStack() as stack:

        async def one_more(**settings: Any) -> AntispamReplica:
            port = free_port()
            quick: dict[str, Any] = {"port_base": port - 8003, "flush_period": timedelta(milliseconds=50)}
            quick |= {"dns_servers": ("127.0.0.1",), "dns_port": zone_server.port}
            given = app.Settings(**{**quick, **settings})
            process = await stack.enter_async_context(service_process(app, given, shared))
            return AntispamReplica(process, await stack.enter_async_context(api_client(given, app.NAME)))

        yield one_more


@pytest.fixture
async def replica(start: Start) -> AntispamReplica:
    return await start()


@pytest.fixture
async def post(shared: Shared, bus: EmbeddedBus) -> Post:
    """Stands in for router and store."""
    post = Post(shared.outbox)
    await bus.declare(queues.ANTISPAM, *post.arrived)
    for queue in post.arrived:

        async def take(delivery: Delivery, queue: str = queue) -> None:
            mail = decode(delivery.body)
            post.arrived[queue].append(mail)
            await delivery.ack()

        await bus.consume(queue, take)
    return post
