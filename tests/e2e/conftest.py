"""The same end-to-end suite in both ways to run: embedded, and separate processes with RabbitMQ and MongoDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.cluster import cluster_of, demonstration
from tests.servers.facteur import Facteur
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
    common = {
        "FACTEUR_RELAY_SMARTHOST": f"127.0.0.1:{sink.port}",
        "FACTEUR_INGRESS_PROXY_NETWORKS": '["127.0.0.7/32"]',  # behind it, strangers of the internet
        "FACTEUR_ANTISPAM_GREYLISTING_DELAY": "0.5",
    }
    if request.param == "embedded":
        facteur = Facteur(directory, processes=[()], environ=common)
    else:
        mongo_url, bus_url = request.getfixturevalue("mongo_url"), request.getfixturevalue("rabbit_url")
        facteur = cluster_of(directory, mongo_url=mongo_url, bus_url=bus_url, more=common)
    facteur.start()
    if request.param == "cluster":
        demonstration(facteur)
    yield facteur
    facteur.close()
