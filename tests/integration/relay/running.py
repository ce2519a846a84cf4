"""The relay as a running service: a real bus, MongoDB, DNS server and other mail servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import APIRouter, Request, Response

from libs.bus import open_bus
from libs.envelope import Envelope, Mail, Peer, Recipient, new_id, queues
from libs.envelope.model import utc_now
from libs.http import application
from libs.http.probes import Checks
from libs.mongo import Mongo
from libs.runtime import Shared
from libs.telemetry import Metrics
from services.relay import app
from services.relay.adapters.bodies import Bodies
from services.relay.body_retention import BodyRetention
from services.relay.settings import Settings
from tests.servers.dns import DnsServer
from tests.servers.facteur import free_port_base
from tests.servers.replicas import ServiceProcess, service_process, shared_in
from tests.waiting import eventually

RAW = b"From: jean@example.org\r\nSubject: bonjour\r\nMessage-ID: <1@example.org>\r\n\r\n.dot\r\n\r\nfin\r\n"


class Relay:
    """A running relay and what it reported to ingress."""

    def __init__(self, shared: Shared, settings: Settings) -> None:
        self.shared = shared
        self.settings = settings
        self.reports: list[tuple[str, bytes]] = []
        self.report_tries = 0
        self.ingress_is_away = self.ingress_refuses = False
        self.envelopes: dict[str, Envelope] = {}
        self.process: ServiceProcess | None = None
        self._database = shared.mongo.database("relay")
        self._http = httpx.AsyncClient(base_url=settings.url_of("relay"), trust_env=False)

    async def send(
        self, *recipients: str, account: str | None = "jean@example.org", raw: bytes = RAW,
        envelope: dict[str, Any] | None = None, forwarded: dict[str, Any] | None = None, **more: Any,
    ) -> str:  # fmt: skip
        """`forwarded` and `more` are of each recipient."""
        id = new_id(utc_now())
        made = Envelope(
            id=id,
            received_at=utc_now(),
            mail_from="jean@example.org",
            peer=Peer(account=account),
            recipients=tuple(Recipient(address=address, **more, **(forwarded or {})) for address in recipients),
            size_bytes=len(raw),
            sha256=sha256(raw).hexdigest(),
            verdicts={},
        ).model_copy(update=envelope or {})
        self.envelopes[id] = made
        await self.shared.outbox.send(queues.RELAY, Mail(made, raw))
        return id

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self._http.request(method, path, headers={"Authorization": "Bearer admin"}, **options)

    async def entry(self, id: str) -> dict[str, Any]:
        return next(entry for entry in await self._entries() if entry["message_id"] == id)

    async def states(self) -> list[str]:
        """As the database has them, which outlives the service."""
        return [document["state"] async for document in self._database.deliveries.find({}, {"state": 1})]

    async def dead_letter(self, id: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                items = (await self.call("GET", "/v1/dead-letters")).json()["items"]
                if found := [item for item in items if item["envelope"]["id"] == id]:
                    return dict(found[0])
                await asyncio.sleep(0.02)

    async def wait_for_report(self) -> tuple[str, bytes]:
        await eventually(lambda: bool(self.reports))
        return self.reports[0]

    async def wait_for_state(self, id: str, state: str, *, attempts: int = 0, deadline: float = 20) -> dict[str, Any]:
        async with asyncio.timeout(deadline):
            while True:
                found = [entry for entry in await self._entries() if entry["message_id"] == id]
                if found and all(entry["state"] == state and entry["attempts"] >= attempts for entry in found):
                    return found[0]
                await asyncio.sleep(0.02)

    async def try_reports_until(self, condition: Callable[[], bool]) -> None:
        """As if their pauses were over, again and again."""
        async with asyncio.timeout(20):
            while not condition():
                due = {"report.due_at": utc_now() - timedelta(seconds=1)}
                await self._database.deliveries.update_many({"report": {"$exists": True}}, {"$set": due})
                await asyncio.sleep(0.05)

    async def look_through(self) -> None:
        """What is done twice a day."""
        await BodyRetention(Bodies(self._database), self.shared.blobs, utc_now).refresh()

    async def stop(self) -> None:
        """SIGTERM."""
        assert self.process is not None
        await self.process.stop()

    async def _entries(self) -> list[dict[str, Any]]:
        items = (await self.call("GET", "/v1/queue?limit=200")).json()["items"]
        return [dict(item) for item in items]


Start = Callable[..., AbstractAsyncContextManager[Relay]]


def starting(mongo: Mongo, directory: Path, dns: DnsServer) -> Start:
    """A relay with the given settings."""

    @asynccontextmanager
    async def running(**settings: Any) -> AsyncIterator[Relay]:
        bus = open_bus(f"embedded:{directory}/bus")
        await bus.start()
        shared = shared_in(directory, mongo, bus, inline_limit_bytes=100_000)
        options = {
            "port_base": free_port_base(),
            "dns_servers": ["127.0.0.1"],
            "dns_port": dns.port,
            "first_retry_delay": "PT0.1S",
            "poll_period": "PT0.05S",
            "connect_timeout": "PT2S",
            "private_destinations": ["127.0.0.0/8"],
            **settings,
        }
        relay = Relay(shared, Settings(**options))
        try:
            async with _ingress(relay), service_process(app, relay.settings, shared) as relay.process:
                yield relay
        finally:
            await bus.close()

    return running


@asynccontextmanager
async def _ingress(relay: Relay) -> AsyncIterator[None]:
    """An HTTP server that takes what relay reports, as ingress does."""
    router = APIRouter()

    @router.post("/v1/messages", status_code=202)
    async def take(request: Request) -> Response:
        assert request.query_params["from"] == ""
        relay.report_tries += 1
        if relay.ingress_is_away:
            return Response(status_code=503)
        if relay.ingress_refuses:
            return Response(status_code=422)
        relay.reports.append((request.query_params["to"], await request.body()))
        return Response(status_code=202)

    api = application("ingress", routers=(router,), checks=Checks(), metrics=Metrics(), tokens=relay.shared.tokens)
    config = uvicorn.Config(api, port=relay.settings.port_of("ingress"), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield
    finally:
        await server.shutdown()
