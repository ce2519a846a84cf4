"""The antivirus service as it runs, on a real bus and MongoDB, in front of a real clamd where a test asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.blobs import open_blobs
from libs.bus.embedded import EmbeddedBus
from libs.mongo import Mongo
from libs.runtime import Outbox, Shared
from libs.runtime.process import RunningService
from services.antivirus import app
from tests.integration.antivirus.harness import Antivirus, Start, collecting
from tests.servers.clamd import ClamdServer
from tests.servers.facteur import free_port_base
from tests.servers.tokens import tokens_in


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClamdServer]:
    """A clamd for the tests of one file; who stops it starts it again."""
    server = ClamdServer(tmp_path_factory.mktemp("clamd"))
    server.start()
    yield server
    server.close()


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    bus = EmbeddedBus(tmp_path / "bus")
    await bus.start()
    yield bus
    await bus.close()


@pytest.fixture
async def start(tmp_path: Path, mongo: Mongo, bus: EmbeddedBus) -> AsyncIterator[Start]:
    """Starts a process of the service with these settings; several share bus and database."""
    blobs = open_blobs(f"file:{tmp_path / 'blobs'}", mongo)
    shared = Shared(bus, blobs, mongo, tokens_in(tmp_path), Outbox(bus, blobs, inline_limit_bytes=256 * 1024))
    async with AsyncExitStack() as stack:

        async def one(**given: Any) -> Antivirus:
            quick = {"probe_period": timedelta(seconds=1), "probe_deadline": timedelta(seconds=2)}
            settings = app.Settings(port_base=free_port_base(), **{**quick, **given})
            service = await stack.enter_async_context(app.build(settings, shared.of(app.NAME, settings)))
            running = RunningService(service, shared)
            stack.push_async_callback(running.stop)
            stack.push_async_callback(running.drain)
            await running.start(on_failure=lambda: pytest.fail("background work ended"))
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=settings.url_of("antivirus"), timeout=30))
            return await collecting(Antivirus(shared, http))

        yield one


@pytest.fixture
async def antivirus(start: Start) -> Antivirus:
    """One process with the built-in engine."""
    return await start()
