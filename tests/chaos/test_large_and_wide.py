"""Messages that are very large, go to very many, or break whoever reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from libs.blobs.files import FileBlobs
from libs.blobs.mongo import MongoBlobs
from libs.bus import Bus
from libs.bus.embedded import EmbeddedBus
from libs.bus.rabbitmq import RabbitBus
from libs.envelope import Envelope, Mail, new_id, queues
from libs.envelope.model import utc_now
from libs.mongo import Mongo
from libs.runtime import Outbox, QueueHandler, Route
from libs.runtime.worker import Worker
from libs.telemetry import Metrics, Traces
from tests import builders
from tests.chaos.conftest import World
from tests.servers.peer import SENDER, Peer, a_message
from tests.waiting import eventually, wait_for

pytestmark = pytest.mark.timeout(400)  # a retry may be on a rung of two minutes

RUNGS = (timedelta(milliseconds=20),)
LARGE = 19 * 1024 * 1024


def an_envelope(raw: bytes, *recipients: str) -> Envelope:
    ours = [builders.a_recipient(address) for address in recipients]
    return builders.an_envelope(*ours, raw=raw, id=new_id(utc_now()), received_at=utc_now(), mail_from=SENDER)


@pytest.fixture(params=["embedded", "rabbitmq"])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bus]:
    bus: Bus
    if request.param == "embedded":
        bus = EmbeddedBus(tmp_path / "bus", retry_delays=RUNGS)
    else:
        bus = RabbitBus(request.getfixturevalue("rabbit_url"), retry_delays=RUNGS)
    await bus.start()
    yield bus
    await bus.close()


async def test_19_content_that_breaks_its_reader_is_parked_and_the_others_pass(bus: Bus, tmp_path: Path) -> None:
    queue = f"test.{new_id(utc_now())}"
    seen: list[str] = []

    async def fragile(mail: Mail) -> Iterable[Route]:
        seen.append(mail.envelope.mail_from)
        if mail.raw == b"poison":
            raise RecursionError("the parser has a bug")
        return ()

    outbox = Outbox(bus, FileBlobs(tmp_path / "blobs"), inline_limit_bytes=1000)
    worker = Worker(
        row=QueueHandler(queue, fragile),
        blobs=FileBlobs(tmp_path / "blobs"),
        outbox=outbox,
        metrics=Metrics(),
        traces=Traces("test", endpoint="", ratio=0),
        deadline=timedelta(seconds=5),
    )
    await bus.declare(queue)
    consumer = await bus.consume(queue, worker)
    for raw in (b"poison", *(b"good %d" % n for n in range(20))):
        await outbox.send(queue, Mail(an_envelope(raw, "a@example.org"), raw))

    async def parked() -> bool:
        return len(await bus.dead_letters(queue)) == 1

    await eventually(parked)
    [letter] = await bus.dead_letters(queue)
    assert "the parser has a bug" in letter.reason
    assert letter.attempts == 5
    assert len(seen) == 25
    assert await bus.replay(queue, letter.id)
    await eventually(parked)
    assert len(seen) == 30
    await consumer.stop()


def test_31_a_message_of_19_mb_passes_all_stages_and_memory_stays_bounded(world: World) -> None:
    address = world.account()
    peer = Peer(world.facteur, address)
    assert peer.send(f"{peer.run}-warm") == 250
    world.facteur.wait_for_message(address, f"{peer.run}-warm")
    before = {service: _memory(world.facteur.pid(service), "VmRSS") for service in ("ingress", "antivirus", "store")}
    assert peer.send(f"{peer.run}-large", size=LARGE) == 250
    item = world.facteur.wait_for_message(address, f"{peer.run}-large", deadline=90)
    assert item["size"] > LARGE * 0.99
    grown = {service: _memory(world.facteur.pid(service), "VmHWM") - resident for service, resident in before.items()}
    # Ingress holds the message and the copy that goes into the blob store; the others parse and decode it as well.
    for service, messages in {"ingress": 3, "antivirus": 8, "store": 5}.items():
        assert grown[service] < messages * LARGE, f"{service} grew by {grown[service] / LARGE:.1f} messages"


@pytest.fixture
async def cluster_mongo(world: World) -> AsyncIterator[Mongo]:
    """The database of the cluster."""
    mongo = Mongo(world.mongod.url, prefix=f"{world.facteur.directory.name}_")
    yield mongo
    await mongo.close()


@pytest.fixture
async def cluster_bus(world: World) -> AsyncIterator[Bus]:
    """Its broker."""
    bus = RabbitBus(world.rabbit.url)
    await bus.start()
    yield bus
    await bus.close()


async def test_32_a_message_of_19_mb_to_1000_mailboxes_is_one_body_and_a_full_one_stops_nobody(
    world: World, cluster_mongo: Mongo, cluster_bus: Bus
) -> None:
    full = world.account()
    await asyncio.to_thread(wait_for, lambda: _limited(world, full, 0), what="quota knows the account")
    addresses = [f"wide{n}@example.org" for n in range(999)]
    raw = a_message("wide", size=LARGE)
    envelope = an_envelope(raw, *addresses, full)
    await Outbox(cluster_bus, MongoBlobs(cluster_mongo.database("blobs")), inline_limit_bytes=256 * 1024).send(
        queues.STORE, Mail(envelope, raw)
    )
    store = cluster_mongo.database("store")

    async def all_but_one() -> bool:
        return bool(await store.messages.count_documents({"subject": "wide"}) == 999)

    await eventually(all_but_one, seconds=90)
    found = [m async for m in store.messages.find({"subject": "wide"}, {"body": 1, "mailbox": 1})]
    assert len({message["body"] for message in found}) == 1
    assert {message["mailbox"] for message in found} == set(addresses)
    assert await asyncio.to_thread(_limited, world, full, 10**9)
    await asyncio.to_thread(
        wait_for, lambda: bool(world.facteur.messages(full)), deadline=180, what="the one that was full has it"
    )
    assert await store.messages.count_documents({"subject": "wide"}) == 1000


def _limited(world: World, address: str, limit_bytes: int) -> bool:
    return world.facteur.call("PUT", "quota", f"/v1/limits/{address}", json={"limit_bytes": limit_bytes}).is_success


def _memory(pid: int, name: str) -> int:
    """Bytes, from proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
