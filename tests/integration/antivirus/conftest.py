"""The antivirus service as it runs, on a real bus and MongoDB, in front of a real clamd where a test asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.bus.embedded import EmbeddedBus
from libs.mongo import Mongo
from services.antivirus import app
from tests.integration.antivirus.harness import Antivirus, Start, collecting
from tests.servers.clamd import ClamdServer
from tests.servers.facteur import free_port_base
from tests.servers.replicas import api_client, service_process, shared_in


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClamdServer]:
    """A clamd for the tests of one file; who stops it starts it again."""
    server = ClamdServer(tmp_path_factory.mktemp("clamd"))
    server.start()
    yield server
    server.close()


@pytest.fixture
async def start(tmp_path: Path, mongo: Mongo, bus: EmbeddedBus) -> AsyncIterator[Start]:
    """Starts a process of the service with these settings; several share bus and database."""
    shared = shared_in(tmp_path, mongo, bus)
    async with AsyncExitStack() as stack:

        async def one(**given: Any) -> Antivirus:
            quick = {"probe_period": timedelta(seconds=1), "probe_deadline": timedelta(seconds=2)}
            settings = app.Settings(port_base=free_port_base(), **{**quick, **given})
            await stack.enter_async_context(
                service_process(app, settings, shared, on_failure=lambda: pytest.fail("background work ended"))
            )
            return await collecting(Antivirus(shared, await stack.enter_async_context(api_client(settings, app.NAME))))

        yield one


@pytest.fixture
async def antivirus(start: Start) -> Antivirus:
    """One process with the built-in engine."""
    return await start()
