"""The faults of a cluster. After each: what was accepted is in the mailbox, once; nothing hangs."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import time
from collections.abc import Callable
from pathlib import Path

import aio_pika
import pytest

from libs.blobs.mongo import MongoBlobs
from libs.envelope.model import utc_now
from libs.mongo import Mongo
from tests.chaos.conftest import World
from tests.servers.peer import SENDER, Peer, a_message
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(400)  # a retry may be on a rung of two minutes

# `terminationGracePeriodSeconds` less what `preStop` takes.
GRACE = 40
Peers = Callable[[], Peer]


def open_data(world: World, recipient: str) -> smtplib.SMTP:
    """A session that is in the middle of DATA."""
    smtp = smtplib.SMTP("127.0.0.1", world.facteur.port("mx"), timeout=60)
    smtp.ehlo("peer.example.net")
    assert smtp.mail(SENDER)[0] == 250
    assert smtp.rcpt(recipient)[0] == 250
    assert smtp.docmd("DATA")[0] == 354
    return smtp


def exact_usage(world: World, address: str) -> None:
    """Quota says what the mailbox holds."""

    def same() -> bool:
        usage = world.facteur.get("quota", f"/v1/usage/{address}")
        items = world.facteur.messages(address)
        return (usage["used_bytes"], usage["messages"]) == (sum(item["size"] for item in items), len(items))

    wait_for(same, what=lambda: str(world.facteur.get("quota", f"/v1/usage/{address}")))


def test_1_ingress_killed_during_data_leaves_nothing(world: World) -> None:
    address = world.account()
    smtp = open_data(world, address)
    smtp.send(a_message("half")[:1000])
    world.facteur.kill("ingress")
    with pytest.raises((OSError, smtplib.SMTPServerDisconnected)):
        smtp.getreply()
    world.facteur.start("ingress")
    peer = Peer(world.facteur, address)
    assert peer.send(f"{peer.run}-whole") == 250
    world.facteur.wait_for_message(address, f"{peer.run}-whole")
    assert len(world.facteur.messages(address)) == 1


def test_2_ingress_killed_between_blob_and_publish_leaves_an_orphan_that_is_collected(world: World) -> None:
    address = world.account()

    async def blobs() -> list[str]:
        mongo = Mongo(world.mongod.url, prefix=f"{world.facteur.directory.name}_")
        found = [document["_id"] async for document in mongo.database("blobs").entries.find({}, {"_id": 1})]
        await mongo.close()
        return found

    before = set(asyncio.run(blobs()))
    smtp = open_data(world, address)
    world.rabbit.pause()
    try:
        smtp.send(a_message("orphan", size=600_000) + b".\r\n")
        wait_for(lambda: bool(set(asyncio.run(blobs())) - before), what="the blob")
        world.facteur.kill("ingress")
    finally:
        world.rabbit.resume()
    with pytest.raises((OSError, smtplib.SMTPServerDisconnected)):
        smtp.getreply()
    world.facteur.start("ingress")

    async def collect() -> int:
        mongo = Mongo(world.mongod.url, prefix=f"{world.facteur.directory.name}_")
        collected = await MongoBlobs(mongo.database("blobs")).collect(utc_now())
        await mongo.close()
        return collected

    peer = Peer(world.facteur, address)
    assert peer.send(f"{peer.run}-again") == 250
    world.facteur.wait_for_message(address, f"{peer.run}-again")
    assert asyncio.run(collect()) >= 1
    assert [item["subject"] for item in world.facteur.messages(address)].count(f"{peer.run}-again") == 1


def test_4_antivirus_killed_in_the_middle_of_a_scan_scans_again(world: World, peers: Peers) -> None:
    peer = peers()
    world.clamd.pause()
    try:
        peer.start(8)
        peer.wait_for_accepted(8)
        world.facteur.kill("antivirus")
    finally:
        world.clamd.resume()
    world.facteur.start("antivirus")
    peer.all_are_there_once()
    assert set(peer.counts().values()) == {1}


@pytest.mark.parametrize("service", ["antivirus", "antispam", "router", "store"])
def test_5_and_7_a_service_killed_again_and_again_loses_and_doubles_nothing(
    world: World, peers: Peers, service: str
) -> None:
    peer = peers()
    peer.start(200)
    for goal in (40, 100):
        peer.wait_for_accepted(goal)
        world.facteur.kill(service)
        world.facteur.start(service)
    peer.finish()
    peer.all_are_there_once()
    assert set(peer.counts().values()) == {1}
    exact_usage(world, peer._recipient)


def test_9_and_11_the_broker_gone_means_451_and_then_all_goes_on(world: World, peers: Peers) -> None:
    # RabbitMQ 3.10 may forget a queue if it is killed in the moment after its declaration.
    world.facteur.wait_ready()
    peer = peers()
    peer.start(100)
    peer.wait_for_accepted(20)
    world.rabbit.kill()
    wait_for(lambda: "bus" in world.facteur.missing("ingress"), what="ingress misses its bus")
    wait_for(lambda: bool(peer.refusals[451] or peer.refusals[421]), deadline=60, what=lambda: str(peer.refusals))
    world.rabbit.start()
    world.facteur.wait_ready()
    peer.finish()
    peer.all_are_there_once()
    assert set(peer.refusals) <= {451, 421, 0}
    assert set(peer.counts().values()) == {1}


def test_12_a_memory_alarm_means_451_and_consumers_go_on(world: World, peers: Peers) -> None:
    peer = peers()
    world.rabbit.raise_memory_alarm()
    try:
        wait_for(lambda: peer.send(f"{peer.run}-x") in (451, 421), deadline=60, what="451")
    finally:
        world.rabbit.clear_memory_alarm()
    world.facteur.wait_ready()
    peer.start(20)
    peer.finish()
    peer.all_are_there_once()


def test_15_a_queue_that_is_gone_is_never_confirmed(world: World, peers: Peers) -> None:
    peer = peers()
    world.facteur.stop("antivirus")

    async def delete() -> None:
        connection = await aio_pika.connect(world.rabbit.url)
        async with connection:
            channel = await connection.channel()
            await channel.queue_delete("mail.antivirus")

    asyncio.run(delete())
    assert peer.send(f"{peer.run}-x") in (451, 421)
    world.facteur.start("antivirus")
    peer.start(10)
    peer.finish()
    peer.all_are_there_once()


def test_18_a_poison_payload_is_a_dead_letter_at_once_and_the_queue_goes_on(world: World, peers: Peers) -> None:
    async def publish() -> None:
        connection = await aio_pika.connect(world.rabbit.url)
        async with connection:
            channel = await connection.channel()
            await channel.default_exchange.publish(aio_pika.Message(b"this is no envelope"), "mail.router")

    asyncio.run(publish())
    peer = peers()
    peer.start(5)
    peer.finish()
    peer.all_are_there_once()
    found: list[dict[str, object]] = []

    def dead() -> bool:
        found[:] = world.facteur.get("router", "/v1/dead-letters")["items"]
        return bool(found)

    wait_for(dead, what="the dead letter")
    assert "no newline" in str(found[0]["reason"])
    assert found[0]["attempts"] == 1
    assert world.facteur.call("DELETE", "router", f"/v1/dead-letters/{found[0]['id']}").status_code == 204
    assert world.facteur.get("router", "/v1/dead-letters")["items"] == []


def test_21_the_database_killed_and_back_loses_nothing(world: World, peers: Peers) -> None:
    peer = peers()
    peer.start(100)
    peer.wait_for_accepted(20)
    asyncio.run(world.mongod.kill())
    wait_for(lambda: "database" in world.facteur.missing("store"), what="store misses its database")
    asyncio.run(world.mongod.start())
    world.facteur.wait_ready()
    peer.finish()
    peer.all_are_there_once()
    assert set(peer.counts().values()) == {1}
    exact_usage(world, peer._recipient)


def test_25_an_engine_that_is_gone_lets_nothing_through_and_nothing_is_lost(world: World, peers: Peers) -> None:
    peer = peers()
    world.clamd.kill()
    wait_for(lambda: "engines" in world.facteur.missing("antivirus"), what="antivirus misses its engines")
    peer.start(5)
    peer.finish()
    metrics = world.facteur.call("GET", "antivirus", "/metrics").text

    def deferred() -> bool:
        lines = world.facteur.call("GET", "antivirus", "/metrics").text.splitlines()
        series = 'facteur_messages_handled_total{outcome="deferred",queue="mail.antivirus"}'
        return any(line.startswith(series) and float(line.split()[-1]) >= 5 for line in lines)

    wait_for(deferred, what=lambda: metrics)
    assert peer.counts() == {}
    world.clamd.start()
    peer.all_are_there_once()


def test_33_a_session_that_says_nothing_is_watched_by_keepalive(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.facteur.port("mx"))) as silent:
        silent.settimeout(30)
        assert silent.recv(200).startswith(b"220")
        ours = f":{silent.getsockname()[1]:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        server_side = [line.split() for line in lines if line.split()[2].endswith(ours)]
        # /proc/net/tcp(5): the sixth field begins with 02 where a keepalive timer runs.
        assert [fields[5][:2] for fields in server_side] == ["02"]


@pytest.mark.parametrize("gone", ["the broker", "the database"])
def test_sigterm_while_something_is_gone_ends_every_service_within_the_grace(
    world: World, peers: Peers, gone: str
) -> None:
    peer = peers()
    peer.start(60)
    peer.wait_for_accepted(10)
    if gone == "the broker":
        world.rabbit.kill()
    else:
        asyncio.run(world.mongod.kill())
    began = time.monotonic()
    world.facteur.stop()
    took = time.monotonic() - began
    if gone == "the broker":
        world.rabbit.start()
    else:
        asyncio.run(world.mongod.start())
    world.facteur.start()
    peer.finish()
    peer.all_are_there_once()
    assert took < GRACE
