"""The same end-to-end suite in both ways to run: embedded, and separate processes with RabbitMQ and MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.mongo import EmbeddedMongod
from services import SERVICES
from tests.servers.facteur import Facteur
from tests.servers.rabbitmq import RabbitServer
from tests.servers.sink import Sink


@pytest.fixture(scope="session")
def sink() -> Iterator[Sink]:
    """Another mail server, which takes everything and keeps it."""
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="session", params=["embedded", "cluster"])
def facteur(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Facteur]:
    """A running product with the demonstration domain; what leaves goes to the sink."""
    directory = tmp_path_factory.mktemp(request.param)
    common = {"FACTEUR_RELAY_SMARTHOST": f"127.0.0.1:{sink.port}"}
    if request.param == "embedded":
        facteur = Facteur(directory, processes=[()], environ=common)
    else:
        facteur = cluster(
            directory, request.getfixturevalue("mongod"), request.getfixturevalue("rabbit_server"), common
        )
    facteur.start()
    if request.param == "cluster":
        demonstration(facteur)
    yield facteur
    facteur.close()


def cluster(directory: Path, mongod: EmbeddedMongod, rabbit: RabbitServer, more: dict[str, str]) -> Facteur:
    """A process a service."""
    (directory / "var").mkdir()
    for name in ("admin", "service"):
        (directory / f"var/{name}-token").write_text(f"{name}-{directory.name}\n")
    environ = {
        "FACTEUR_BUS_URL": rabbit.url,
        "FACTEUR_MONGO_URL": mongod.url,
        "FACTEUR_MONGO_PREFIX": f"{directory.name}_",
        "FACTEUR_BLOBS_URL": "mongo:",
        **more,
    }
    return Facteur(directory, processes=[(service,) for service in SERVICES], environ=environ)


def demonstration(facteur: Facteur) -> None:
    """What embedded mode makes at its first start."""
    facteur.post("router", "/v1/domains", {"name": "example.org"})
    passwords = {"jean.toto@example.org": "jeanpassword1", "marie.dupont@example.org": "mariepassword1"}
    for address, password in passwords.items():
        facteur.post("router", "/v1/accounts", {"address": address, "password": password})
    lines = "".join(f"{address} {password}\n" for address, password in passwords.items())
    (facteur.directory / "var/demo-passwords").write_text(lines)
