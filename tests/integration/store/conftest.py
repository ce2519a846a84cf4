"""The whole store, and beside it a real quota, on free ports with a bus, a blob store and a database of their own."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import httpx
import pytest

from libs.bus.embedded import EmbeddedBus
from libs.events import AccountChanged
from libs.mongo import Mongo
from libs.runtime import Shared
from services.quota import app as quota_app
from services.store import app as store_app
from tests.integration.store.building import MARIE, Store
from tests.servers.replicas import service_process, shared_in
from tests.servers.tokens import bearer


@pytest.fixture
def port_base() -> int:
    """Of a block of ports that nobody uses, below those that outgoing connections take."""
    return next(
        base for base in iter(lambda: random.randrange(1000, 22000), None) if _are_free(8005 + base, 8006 + base)
    )


def _are_free(*ports: int) -> bool:
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


@pytest.fixture
def shared(tmp_path: Path, mongo: Mongo, bus: EmbeddedBus) -> Shared:
    return shared_in(tmp_path, mongo, bus)


@asynccontextmanager
async def running(module: ModuleType, shared: Shared, **given: Any) -> AsyncIterator[Any]:
    """The service of `module` with everything of it, until the end of the block."""
    with TemporaryDirectory() as var_dir:
        settings = module.Settings(**{"var_dir": Path(var_dir), **given})
        async with service_process(module, settings, shared):
            yield settings


@pytest.fixture
async def store(shared: Shared, port_base: int) -> AsyncIterator[Store]:
    common = {"port_base": port_base, "drain_deadline": timedelta(seconds=5)}
    async with AsyncExitStack() as stack:
        quota = await stack.enter_async_context(running(quota_app, shared, **common))
        settings = await stack.enter_async_context(running(store_app, shared, hostname="mail.example.org", **common))
        token = bearer()
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=given.url_of(name), headers=token, timeout=30))
            for given, name in ((settings, "store"), (quota, "quota"))
        ]
        yield Store(shared, clients[0], clients[1], settings)


@pytest.fixture
async def marie(store: Store) -> Store:
    """A store with marie's mailbox, still empty."""
    await store.shared.bus.emit(AccountChanged(address=MARIE).to_bus())

    async def there() -> bool:
        return (await store.http.get(f"/v1/mailboxes/{MARIE}/folders")).status_code == 200

    await store.until(there)
    return store
