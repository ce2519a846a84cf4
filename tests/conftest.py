"""Real servers for the whole run, on free loopback ports; each test has its own database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import structlog

from libs.envelope import model
from libs.mongo import EmbeddedMongod, Mongo
from tests.servers import ports
from tests.servers.databases import drop_all
from tests.servers.rabbitmq import RabbitServer
from tests.servers.zone import Zone, ZoneServer
from tests.waiting import eventually

# Logs of the tests in plain text: the coloured tracebacks of development cost seconds each.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)


@pytest.fixture(autouse=True)
def _ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids never go back: those of a test whose clock runs ahead would stay ahead in the tests behind it."""
    monkeypatch.setattr(model, "_sequence", type(model._sequence)())


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Ask for a loopback port that nobody uses now."""
    return ports.free_port


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongod]:
    """A real mongod, a replica set of one, for the whole run."""
    server = EmbeddedMongod(tmp_path_factory.mktemp("mongo"), port=ports.free_port())
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def mongo_url(mongod: EmbeddedMongod) -> str:
    return mongod.url


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    """A connection whose databases are this test's alone."""
    prefix = f"t{uuid.uuid4().hex[:12]}_"
    mongo = Mongo(mongo_url, prefix=prefix)
    yield mongo
    await drop_all(mongo)
    await mongo.close()


@pytest.fixture(scope="session")
def rabbit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A real RabbitMQ node for the whole run."""
    server = RabbitServer(tmp_path_factory.mktemp("rabbit"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbit_url(rabbit_server: RabbitServer) -> str:
    return rabbit_server.url


@pytest.fixture(scope="session")
def _zone_server() -> Iterator[ZoneServer]:
    server = ZoneServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def zone_server(_zone_server: ZoneServer) -> ZoneServer:
    """A DNS server on loopback that knows nothing yet, nor was asked anything."""
    _zone_server.zone = Zone()
    _zone_server.forget()
    return _zone_server


@pytest.fixture(name="eventually", scope="session")
def _eventually() -> Callable[..., Awaitable[Any]]:
    """Wait until a condition holds; see `tests.waiting`."""
    return eventually
