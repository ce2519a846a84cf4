"""One set of services for all tests of the quarantine; each test has a domain and a sender of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from libs.bus.embedded import EmbeddedBus
from libs.mongo import Mongo
from tests.integration.quarantine.people import MODULES, Clock, People
from tests.servers.databases import drop_all
from tests.servers.facteur import free_port_base
from tests.servers.replicas import shared_in

STORE = {
    "notice_period": timedelta(milliseconds=100),
    "policy_cache": timedelta(0),
    "digest_period": timedelta(days=1),
    "notice_limits": {"per_sender_a_day": 3, "per_peer_an_hour": 4, "per_domain_an_hour": 6, "in_total_an_hour": 500},
    "page_limits": {"answers_a_link_a_day": 4, "answers_an_address_an_hour": 60, "views_a_link_an_hour": 30},
    "page_proxies": ["127.0.0.0/8"],
}


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def people(mongo_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[People]:
    directory = tmp_path_factory.mktemp("people")
    mongo, clock = Mongo(mongo_url, prefix=f"t{uuid.uuid4().hex[:12]}_"), Clock()
    bus = EmbeddedBus(directory / "bus")
    await bus.start()
    shared = shared_in(directory, mongo, bus, clock=clock)
    common = {"port_base": free_port_base(), "var_dir": directory, "drain_deadline": timedelta(seconds=2)}
    settings = {
        name: module.Settings(**common, **(STORE if name == "store" else {})) for name, module in MODULES.items()
    }
    people = People(shared, mongo, settings, clock)
    await people.listen()
    await people.start(*MODULES)
    yield people
    await people.close()
    await bus.close()
    await drop_all(mongo)
    await mongo.close()
