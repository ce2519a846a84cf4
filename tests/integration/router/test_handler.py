"""Mail from the queue of the router to the queues behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from libs.blobs import open_blobs
from libs.blobs.files import FileBlobs
from libs.bus import Delivery
from libs.bus.embedded import EmbeddedBus
from libs.envelope import Envelope, Mail, Permanent, Recipient, Verdict, decode, encode, new_id
from libs.envelope.queues import QUARANTINE, RELAY, ROUTER, STORE
from libs.mongo import EmbeddedMongod, Mongo

JEAN, MARIE = "jean.toto@example.org", "marie.dupont@example.org"
RAW = b"Subject: x\r\n\r\nhello\r\n"


class Queues:
    """What arrives behind the router; `until` waits for a number of messages, at most five seconds."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Mail]] = []
        self._news = asyncio.Event()

    async def __call__(self, delivery: Delivery) -> None:
        self.mails.append((delivery.queue, decode(delivery.body)))
        await delivery.ack()
        self._news.set()

    async def until(self, count: int, seconds: float = 5) -> dict[str, list[str]]:
        async with asyncio.timeout(seconds):
            while len(self.mails) < count:
                self._news.clear()
                await self._news.wait()
        return {queue: [r.address for r in mail.envelope.recipients] for queue, mail in self.mails}


async def behind(bus: EmbeddedBus) -> Queues:
    queues = Queues()
    for name in (STORE, RELAY, QUARANTINE):
        await bus.declare(name)
        await bus.consume(name, queues)
    return queues


async def send(bus: EmbeddedBus, recipients: Sequence[str], *, action: str = "none", blob: str | None = None) -> None:
    envelope = Envelope(
        id="m1",
        received_at=datetime.now(UTC),
        recipients=tuple(Recipient(address=address, original=address) for address in recipients),
        size_bytes=len(RAW),
        sha256="",
        blob=blob,
        verdicts={"example.org": Verdict(spam=action != "none", score=9, required=5, action=action)},
    )
    await bus.publish(ROUTER, encode(Mail(envelope, RAW)))


async def test_all_mailboxes_in_one_message_all_others_in_another(people: Any, bus: EmbeddedBus) -> None:
    queues = await behind(bus)
    await people.post("/v1/aliases", address="team@example.org", targets=[MARIE, JEAN, "x@far.example"])
    await people.post("/v1/aliases", address="loop@example.org", targets=["loop2@example.org"])
    await people.post("/v1/aliases", address="loop2@example.org", targets=["loop@example.org"])
    given = ["team@example.org", "Jean.Toto@EXAMPLE.org", "loop@example.org", "gone@example.org", "y@far.example"]
    await send(bus, given)
    assert await queues.until(2) == {
        STORE: [MARIE, JEAN],
        RELAY: ["x@far.example", "loop@example.org", "gone@example.org", "y@far.example"],
    }
    by_queue = dict(queues.mails)
    assert by_queue[STORE].raw == RAW
    assert [(r.original, r.domain) for r in by_queue[STORE].envelope.recipients] == [
        ("team@example.org", "example.org"),
        ("Jean.Toto@EXAMPLE.org", "example.org"),
    ]
    assert [recipient.failure for recipient in by_queue[RELAY].envelope.recipients] == [
        "",
        "5.4.6 mail loop: loop@example.org -> loop2@example.org -> loop@example.org",
        "5.1.1 gone@example.org does not exist",
        "",
    ]


async def test_junk_for_a_forward_is_kept_in_the_quarantine(people: Any, bus: EmbeddedBus) -> None:
    queues = await behind(bus)
    await people.post("/v1/forwards", address="f@example.org", target="x@far.example")
    await send(bus, ["f@example.org", JEAN], action="junk")
    assert await queues.until(2) == {STORE: [JEAN], QUARANTINE: ["f@example.org"]}
    kept = next(mail for queue, mail in queues.mails if queue == QUARANTINE)
    assert kept.envelope.quarantine_reason == "junk is not forwarded to other servers"


async def test_the_bytes_of_a_large_message_are_not_fetched(
    people: Any, bus: EmbeddedBus, mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(*_: object) -> bytes:
        raise Permanent("fetched")

    monkeypatch.setattr(FileBlobs, "get", fetch)
    blob = new_id(datetime.now(UTC))
    await open_blobs(f"file:{tmp_path}/blobs", mongo).put(blob, RAW)
    queues = await behind(bus)
    await send(bus, [JEAN], blob=blob)
    assert await queues.until(1) == {STORE: [JEAN]}


async def test_a_change_in_one_replica_is_seen_in_the_other(start: Any, bus: EmbeddedBus) -> None:
    here, there = await start(), await start()
    await here.post("/v1/domains", name="example.org")
    for address in (JEAN, MARIE):
        await here.post("/v1/accounts", address=address, password="secret-123")
    await here.post("/v1/aliases", address="a@example.org", targets=[JEAN])
    for end in (MARIE, "x@far.example", JEAN):
        await there.resolved("a@example.org")  # cached from now on
        await here.call("PATCH", "/v1/aliases/a@example.org", expect=200, json={"targets": [end]})
        assert await here.resolved("a@example.org") == [end], "at once where the change was made"
        async with asyncio.timeout(5):
            while await there.resolved("a@example.org") != [end]:
                await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_mail_waits_while_the_database_is_away(
    start: Any, bus: EmbeddedBus, tmp_path: Path, free_port: Any
) -> None:
    server = EmbeddedMongod(tmp_path / "mongo", port=free_port())
    await server.start()
    router = await start(mongo=Mongo(server.url, prefix=""))
    await router.post("/v1/domains", name="example.org")
    await router.post("/v1/accounts", address=JEAN, password="secret-123")
    queues = await behind(bus)
    await send(bus, [JEAN])
    await queues.until(1)
    await server.stop()
    await send(bus, [JEAN])
    await queues.until(2)
    assert [queue for queue, _ in queues.mails] == [STORE, STORE], "cached routes still serve"
    await send(bus, [MARIE])
    await router.call("GET", f"/v1/recipients/{MARIE}", expect=503, token="ingress", timeout=30)
    await server.start()
    assert await queues.until(3, seconds=60) == {STORE: [JEAN], RELAY: [MARIE]}
    await server.stop()
