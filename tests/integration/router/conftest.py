"""The router as it runs, over HTTP, on a real MongoDB and a bus of this test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.bus.embedded import EmbeddedBus
from libs.mongo import Mongo
from services.router import app
from tests.servers.replicas import Replica, api_client, service_process, shared_in


class RouterReplica(Replica):
    """One process of the router."""

    async def post(self, path: str, *, expect: int = 201, key: str | None = None, **body: Any) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return (await self.call("POST", path, expect=expect, json=body, headers=headers)).json()

    async def resolved(self, address: str) -> list[str]:
        return [item["address"] for item in (await self.get("/v1/resolve", address=address))["deliveries"]]


Start = Callable[..., Awaitable[RouterReplica]]


@pytest.fixture
async def start(tmp_path: Path, mongo: Mongo, bus: EmbeddedBus, free_port: Callable[[], int]) -> AsyncIterator[Start]:
    """Start a replica; all of a test share bus and database."""
    shared = shared_in(tmp_path, mongo, bus, inline_limit_bytes=1000)
    failures: list[str] = []
    async with AsyncExitStack() as stack:

        async def one_more(*, mongo: Mongo | None = None, **settings: Any) -> RouterReplica:
            own = replace(shared, mongo=mongo or shared.mongo)
            port = free_port()
            weak = {"argon2_iterations": 1, "argon2_memory_kib": 64, "argon2_lanes": 1}
            quick = {"port_base": port - 8004, "event_period": timedelta(milliseconds=50)}
            given = app.Settings(**{**quick, **weak, **settings})
            process = await stack.enter_async_context(
                service_process(app, given, own, on_failure=lambda: failures.append("background work ended"))
            )
            return RouterReplica(process, await stack.enter_async_context(api_client(given, app.NAME)))

        yield one_more
    assert not failures


@pytest.fixture
async def router(start: Start) -> RouterReplica:
    """One replica with the domain example.org."""
    replica = await start()
    await replica.post("/v1/domains", name="example.org")
    return replica


@pytest.fixture
async def people(router: RouterReplica) -> RouterReplica:
    """Jean and Marie live here."""
    for address in ("jean.toto@example.org", "marie.dupont@example.org"):
        await router.post("/v1/accounts", address=address, password="secret-123")
    return router
