"""What is kept of a message that could not be published: over a real queue and a real blob store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from libs.blobs.files import FileBlobs
from libs.bus import Delivery, NotPublished, Refused, Unavailable
from libs.bus.embedded import EmbeddedBus
from libs.envelope import Mail, Peer, Recipient, Temporary, decode
from libs.envelope.model import utc_now
from libs.envelope.queues import ANTIVIRUS
from libs.runtime import Outbox
from services.ingress.domain.unconfirmed import Unconfirmed
from services.ingress.publisher import MailTransaction, MessagePublisher

RAW = b"Subject: large\r\n\r\n" + b"x" * 500
SUBMISSION = MailTransaction(
    listener="mx",
    peer=Peer(address="192.0.2.7"),
    mail_from="someone@example.net",
    recipients=(Recipient(address="jean.toto@example.org"),),
)


class Bus(EmbeddedBus):
    """Raises `error`, after or instead of publishing; hangs when it is None and `away`."""

    error: Exception | None = None
    takes = True
    away = False

    async def publish(self, queue: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        if self.takes:
            await super().publish(queue, body, headers)
        if self.error is not None:
            raise self.error
        if self.away:
            await asyncio.Event().wait()


class Desk:
    """A reception, and what has come into its queue."""

    def __init__(self, bus: Bus, directory: Path) -> None:
        self.bus = bus
        self.directory = directory
        self.blobs = FileBlobs(directory)
        memory = Unconfirmed(window=60, max_entries=100, clock=time.monotonic)
        outbox = Outbox(bus, self.blobs, inline_limit_bytes=100)
        self.publisher = MessagePublisher(outbox, self.blobs, utc_now, timedelta(seconds=1), memory)
        self.published: list[Mail] = []

    async def hear(self, delivery: Delivery) -> None:
        self.published.append(decode(delivery.body))
        await delivery.ack()

    async def take(self, submission: MailTransaction = SUBMISSION, raw: bytes = RAW, *, id: str | None = None) -> str:
        return await self.publisher.publish(submission, raw, sha256=sha256(raw).hexdigest(), id=id)

    async def ids(self, count: int) -> list[str]:
        async with asyncio.timeout(30):
            while len(self.published) < count:
                await asyncio.sleep(0.005)
        return [mail.envelope.id for mail in self.published]

    def kept(self) -> list[str]:
        return sorted(path.name for path in self.directory.rglob("*") if path.is_file())

    def recover(self) -> None:
        self.bus.error, self.bus.takes, self.bus.away = None, True, False


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    bus = Bus(tmp_path / "bus")
    await bus.start()
    await bus.declare(ANTIVIRUS)
    desk = Desk(bus, tmp_path / "blobs")
    await bus.consume(ANTIVIRUS, desk.hear)
    yield desk
    await bus.close()


async def test_a_message_that_the_broker_took_without_a_word_keeps_its_id_and_its_bytes(desk: Desk) -> None:
    desk.bus.error = Unavailable("not confirmed")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await desk.take()
    desk.recover()
    elsewhere = replace(SUBMISSION, peer=Peer(address="198.51.100.9"))  # another machine of the same provider
    id = await desk.take(elsewhere)
    assert await desk.ids(3) == [id] * 3
    for mail in desk.published:
        assert await desk.blobs.get(mail.envelope.blob or "") == RAW
    assert await desk.take() != id  # the same octets once more, on purpose


async def test_a_publish_that_takes_too_long_is_unknown_too(desk: Desk) -> None:
    desk.bus.away = True
    with pytest.raises(Temporary, match="not published within"):
        await desk.take()
    desk.recover()
    assert await desk.ids(1) == [await desk.take()]


async def test_a_publish_that_is_cancelled_is_unknown_too(desk: Desk) -> None:
    desk.bus.away = True
    taking = asyncio.create_task(desk.take())
    [id] = await desk.ids(1)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    desk.recover()
    assert await desk.take() == id


@pytest.mark.parametrize(
    "error", [Refused("the queue is full"), NotPublished("no connection")], ids=["refused", "not sent"]
)
async def test_a_message_that_was_surely_not_taken_leaves_nothing(desk: Desk, error: Exception) -> None:
    desk.bus.error, desk.bus.takes = error, False
    with pytest.raises(type(error)):
        await desk.take()
    assert desk.kept() == []
    desk.recover()
    assert await desk.ids(0) == []
    assert await desk.take() == (await desk.ids(1))[0]


async def test_a_retry_that_is_surely_not_taken_keeps_what_the_first_try_may_need(desk: Desk) -> None:
    desk.bus.error = Unavailable("not confirmed")
    with pytest.raises(Unavailable):
        await desk.take()
    desk.bus.error, desk.bus.takes = Refused("the queue is full"), False
    with pytest.raises(Refused):
        await desk.take()
    [mail] = desk.published
    assert await desk.blobs.get(mail.envelope.blob or "") == RAW
    desk.recover()
    assert await desk.take() == mail.envelope.id


async def test_whoever_keeps_an_id_may_send_other_bytes_under_it(desk: Desk) -> None:
    """A message that is composed anew for its retry has another date, and the same length."""
    desk.bus.error = Unavailable("not confirmed")
    with pytest.raises(Unavailable):
        await desk.take(id="0190a1")
    desk.recover()
    later = RAW.replace(b"large", b"later")
    assert await desk.take(raw=later, id="0190a1") == "0190a1"
    assert await desk.ids(2) == ["0190a1"] * 2
    assert [await desk.blobs.get(mail.envelope.blob or "") for mail in desk.published] == [RAW, later]
    assert await desk.take() != "0190a1"


async def test_another_envelope_or_content_is_another_message(desk: Desk) -> None:
    desk.bus.error = Unavailable("not confirmed")
    with pytest.raises(Unavailable):
        await desk.take()
    desk.recover()
    others = [
        await desk.take(replace(SUBMISSION, mail_from="other@example.net")),
        await desk.take(replace(SUBMISSION, recipients=(Recipient(address="marie.dupont@example.org"),))),
        await desk.take(raw=RAW + b"y"),
    ]
    first, *_ = await desk.ids(4)
    assert first not in others
