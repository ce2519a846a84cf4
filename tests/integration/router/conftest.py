"""The router as it runs, over HTTP, on a real MongoDB and a bus of this test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.blobs import open_blobs
from libs.bus.embedded import EmbeddedBus
from libs.mongo import Mongo
from libs.runtime import Outbox, Service, Shared
from libs.runtime.process import RunningService
from services.router import app
from tests.servers.tokens import tokens_in


@dataclass
class Replica:
    """One process of the router. Calls are the administrator's, unless they say otherwise."""

    service: Service
    http: httpx.AsyncClient
    running: RunningService

    async def call(self, method: str, path: str, *, expect: int, token: str = "admin", **options: Any) -> Any:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        response = await self.http.request(method, path, headers=headers, **options)
        assert response.status_code == expect, response.text
        if expect >= 400:
            assert response.headers["content-type"] == "application/problem+json"
        return response

    async def post(self, path: str, *, expect: int = 201, key: str | None = None, **body: Any) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return (await self.call("POST", path, expect=expect, json=body, headers=headers)).json()

    async def get(self, path: str, *, expect: int = 200, **params: Any) -> Any:
        return (await self.call("GET", path, expect=expect, params=params)).json()

    async def resolved(self, address: str) -> list[str]:
        return [item["address"] for item in (await self.get("/v1/resolve", address=address))["deliveries"]]


Start = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    bus = EmbeddedBus(tmp_path / "bus")
    await bus.start()
    yield bus
    await bus.close()


@pytest.fixture
async def start(tmp_path: Path, mongo: Mongo, bus: EmbeddedBus, free_port: Callable[[], int]) -> AsyncIterator[Start]:
    """Start a replica; all of a test share bus and database."""
    blobs = open_blobs(f"file:{tmp_path}/blobs", mongo)
    shared = Shared(bus, blobs, mongo, tokens_in(tmp_path), Outbox(bus, blobs, inline_limit_bytes=1000))
    failures: list[str] = []
    async with AsyncExitStack() as stack:

        async def one_more(*, mongo: Mongo | None = None, **settings: Any) -> Replica:
            own = replace(shared, mongo=mongo or shared.mongo)
            port = free_port()
            weak = {"argon2_iterations": 1, "argon2_memory_kib": 64, "argon2_lanes": 1}
            quick = {"port_base": port - 8004, "event_period": timedelta(milliseconds=50)}
            given = app.Settings(**{**quick, **weak, **settings})
            service = await stack.enter_async_context(app.build(given, own.of(app.NAME, given)))
            running = RunningService(service, own)
            stack.push_async_callback(running.stop)
            stack.push_async_callback(running.drain)
            await running.start(on_failure=lambda: failures.append("background work ended"))
            http = await stack.enter_async_context(
                httpx.AsyncClient(base_url=given.url_of("router"), trust_env=False, timeout=30)
            )
            return Replica(service, http, running)

        yield one_more
    assert not failures


@pytest.fixture
async def router(start: Start) -> Replica:
    """One replica with the domain example.org."""
    replica = await start()
    await replica.post("/v1/domains", name="example.org")
    return replica


@pytest.fixture
async def people(router: Replica) -> Replica:
    """Jean and Marie live here."""
    for address in ("jean.toto@example.org", "marie.dupont@example.org"):
        await router.post("/v1/accounts", address=address, password="secret-123")
    return router
