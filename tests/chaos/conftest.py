"""Products to be broken: each module has its own servers, so that no other test suffers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.mongo import EmbeddedMongod
from tests.servers.clamd import ClamdServer
from tests.servers.cluster import cluster_of, demonstration
from tests.servers.facteur import Facteur
from tests.servers.peer import Peer
from tests.servers.rabbitmq import RabbitServer


@dataclass
class World:
    """A cluster with all that it stands on."""

    facteur: Facteur
    rabbit: RabbitServer
    mongod: EmbeddedMongod
    clamd: ClamdServer

    def account(self) -> str:
        """A new one, for a test alone."""
        address = f"a{uuid.uuid4().hex[:10]}@example.org"
        self.facteur.post("router", "/v1/accounts", {"address": address, "password": "motdepasse1"})
        return address


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[World]:
    """A process a service, with a RabbitMQ, a MongoDB and a clamd of its own."""
    with ExitStack() as stack:  # whatever does not start, the others end
        mongod = EmbeddedMongod(tmp_path_factory.mktemp("mongo"), port=free_port())
        stack.callback(lambda: asyncio.run(mongod.stop()))
        asyncio.run(mongod.start())
        rabbit = RabbitServer(tmp_path_factory.mktemp("rabbit"))
        stack.callback(rabbit.close)
        rabbit.start()
        clamd = ClamdServer(tmp_path_factory.mktemp("clamd"))
        stack.callback(clamd.close)
        clamd.start()
        more = {
            "FACTEUR_ANTIVIRUS_ENGINES": f'["builtin", "{clamd.tcp}"]',
            "FACTEUR_ANTIVIRUS_ENGINE_DEADLINE": "PT5S",
            "FACTEUR_INGRESS_PUBLISH_TIMEOUT": "PT8S",
        }
        directory = tmp_path_factory.mktemp("chaos")
        facteur = cluster_of(directory, mongo_url=mongod.url, bus_url=rabbit.url, more=more)
        stack.callback(facteur.close)
        facteur.start()
        demonstration(facteur)
        yield World(facteur, rabbit, mongod, clamd)


@pytest.fixture
def peers(world: World) -> Iterator[Callable[[], Peer]]:
    """Peers that each send to an account of their own."""
    made: list[Peer] = []

    def make() -> Peer:
        made.append(Peer(world.facteur, world.account()))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path
