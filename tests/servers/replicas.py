"""Services in the process of a test: several of one service on one bus and database are its replicas."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from libs.blobs import Blobs, open_blobs
from libs.bus import Bus
from libs.mongo import Mongo
from libs.runtime import Outbox, Service, Shared
from libs.runtime.process import RunningService
from libs.runtime.shared import now
from libs.settings import ServiceSettings
from tests.servers.tokens import tokens_in


def shared_in(
    directory: Path,
    mongo: Mongo,
    bus: Bus,
    *,
    blobs: Blobs | None = None,
    inline_limit_bytes: int = 256 * 1024,
    clock: Callable[[], datetime] = now,
) -> Shared:
    """Return what the services of a test share. Tokens, and blobs unless they are given, are in `directory`."""
    blobs = blobs or open_blobs(f"file:{directory}/blobs", mongo)
    outbox = Outbox(bus, blobs, inline_limit_bytes=inline_limit_bytes)
    return Shared(bus, blobs, mongo, tokens_in(directory), outbox, clock=clock)


@dataclass
class ServiceProcess:
    """A service that was started. `running.stop()` alone ends it as a process that has no time to drain."""

    service: Service
    settings: ServiceSettings
    running: RunningService
    _ended: bool = field(default=False, repr=False)

    async def stop(self) -> None:
        """Drain and stop, as after SIGTERM; once."""
        if not self._ended:
            self._ended = True
            try:
                await self.running.drain()
            finally:
                await self.running.stop()


@asynccontextmanager
async def service_process(
    module: ModuleType,
    settings: ServiceSettings,
    shared: Shared,
    *,
    on_failure: Callable[[], None] = lambda: None,
) -> AsyncIterator[ServiceProcess]:
    """Run the service of `module` until the end of the block. `on_failure` is called when background work ends."""
    own = shared.of(module.NAME, settings)
    async with module.build(settings, own) as service:
        process = ServiceProcess(service, settings, RunningService(service, own))
        try:
            await process.running.start(on_failure=on_failure)
            yield process
        finally:
            await process.stop()


@dataclass
class Replica:
    """One process of a service with a client of its API. Calls are the administrator's unless they name another."""

    process: ServiceProcess
    http: httpx.AsyncClient

    @property
    def service(self) -> Service:
        return self.process.service

    @property
    def running(self) -> RunningService:
        return self.process.running

    async def call(self, method: str, path: str, *, expect: int = 200, token: str = "admin", **options: Any) -> Any:
        """Call the API; an answer that is an error has the media type of RFC 9457."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        response = await self.http.request(method, path, headers=headers, **options)
        assert response.status_code == expect, response.text
        if expect >= 400:
            assert response.headers["content-type"] == "application/problem+json"
        return response

    async def get(self, path: str, *, expect: int = 200, **params: Any) -> Any:
        return (await self.call("GET", path, expect=expect, params=params)).json()


@asynccontextmanager
async def api_client(settings: ServiceSettings, name: str, *, token: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of the API of the service `name`."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(
        base_url=settings.url_of(name), headers=headers, trust_env=False, timeout=30
    ) as client:
        yield client
