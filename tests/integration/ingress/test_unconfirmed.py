"""A real broker takes a message and its confirm is lost: the peer hears 451, and its retry is the same message."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import pytest

from libs.blobs.files import FileBlobs
from libs.bus import Consumer, Delivery, Refused, Unavailable
from libs.bus.rabbitmq import RabbitBus
from libs.envelope import Mail, Peer, Recipient, Temporary, decode
from libs.envelope.model import utc_now
from libs.runtime import Outbox
from services.ingress import publisher as reception
from services.ingress.domain.unconfirmed import Unconfirmed
from services.ingress.publisher import MailTransaction, MessagePublisher
from tests.servers.rabbitmq import RabbitServer

QUEUE = "test.unconfirmed"
RAW = b"Subject: large\r\n\r\n" + b"x" * 5000
SUBMISSION = MailTransaction(
    listener="mx",
    peer=Peer(address="192.0.2.7"),
    mail_from="someone@example.net",
    recipients=(Recipient(address="jean.toto@example.org"),),
)


Eventually = Callable[..., Awaitable[None]]


class Proxy:
    """Between us and the broker. While it is `deaf`, nothing that the broker says comes through."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.deaf = False

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        for work in (self._copy(reader, behind_writer, False), self._copy(behind_reader, writer, True)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, from_broker: bool) -> None:
        try:
            while octets := await source.read(65536):
                if not (from_broker and self.deaf):
                    target.write(octets)
                    await target.drain()
        except ConnectionError:
            return  # either side may go away
        finally:
            target.close()


class Desk:
    """A reception behind the proxy, and what the broker has."""

    def __init__(self, bus: RabbitBus, directory: Path, proxy: Proxy) -> None:
        self.bus, self.directory, self.proxy = bus, directory, proxy
        self.blobs = FileBlobs(directory)
        memory = Unconfirmed(window=60, max_entries=100, clock=time.monotonic)
        outbox = Outbox(bus, self.blobs, inline_limit_bytes=1000)
        self.publisher = MessagePublisher(outbox, self.blobs, utc_now, timedelta(seconds=8), memory)
        self.published: list[Mail] = []
        self.consumer: Consumer

    async def hear(self, delivery: Delivery) -> None:
        self.published.append(decode(delivery.body))
        await delivery.ack()

    def ids(self) -> list[str]:
        return [mail.envelope.id for mail in self.published]

    async def take(self) -> str:
        return await self.publisher.publish(SUBMISSION, RAW, sha256=sha256(RAW).hexdigest())

    async def take_until_taken(self) -> str:
        """As peers do."""
        async with asyncio.timeout(60):
            while True:
                try:
                    return await self.take()
                except Temporary:
                    await asyncio.sleep(0.05)


@pytest.fixture
async def desk(rabbit_server: RabbitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    # A cluster of other tests may consume the queue of that name on the same broker.
    monkeypatch.setattr(reception, "ANTIVIRUS", QUEUE)
    async with AsyncExitStack() as stack:
        proxy = Proxy(rabbit_server.port)
        url = f"amqp://guest:guest@127.0.0.1:{await proxy.start()}/"
        stack.push_async_callback(proxy.close)
        bus = RabbitBus(url, timeout=timedelta(seconds=3))
        beside = RabbitBus(rabbit_server.url, timeout=timedelta(seconds=30))
        for one in (bus, beside):
            await one.start()
            stack.push_async_callback(one.close)
        await beside.declare(QUEUE)
        desk = Desk(bus, tmp_path / "blobs", proxy)
        desk.consumer = await beside.consume(QUEUE, desk.hear)
        yield desk


@pytest.fixture
def speechless(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """From now on the bus of an ingress takes what is published and does not say so, until the patch is undone."""

    def silence(ingress: Any) -> None:
        publish = ingress.shared.bus.publish

        async def taken_without_a_word(*arguments: Any) -> None:
            await publish(*arguments)
            raise Unavailable("not confirmed")

        monkeypatch.setattr(ingress.shared.bus, "publish", taken_without_a_word)

    return silence


async def test_a_confirm_that_is_lost_makes_no_second_message(desk: Desk, eventually: Eventually) -> None:
    warm = await desk.take_until_taken()  # the channel is open: what is published now reaches the broker
    await eventually(lambda: desk.ids() == [warm], seconds=30)
    desk.proxy.deaf = True
    with pytest.raises(Unavailable):
        await desk.take()
    await eventually(lambda: len(desk.published) == 2, seconds=30)
    assert await desk.blobs.get(desk.published[1].envelope.blob or "") == RAW
    desk.proxy.deaf = False
    id = await desk.take_until_taken()
    await eventually(lambda: len(desk.published) > 2, seconds=30)
    assert set(desk.ids()[1:]) == {id}
    assert await desk.take_until_taken() != id


async def test_a_queue_that_is_gone_surely_did_not_take_it(desk: Desk, rabbit_server: RabbitServer) -> None:
    await desk.consumer.stop()  # it would declare the queue again
    async with await aio_pika.connect(rabbit_server.url) as connection:
        await (await connection.channel()).queue_delete(QUEUE)
    with pytest.raises(Refused, match="NO_ROUTE"):
        await desk.take()
    assert [path for path in desk.directory.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("raw", [RAW[:100] + b"\r\n", b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" * 200_000])
async def test_by_smtp_the_retry_of_a_451_is_the_same_message(
    ingress: Any, speechless: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, eventually: Eventually, raw: bytes
) -> None:
    speechless(ingress)
    first = await ingress.mx()
    await first.envelope()
    await first.data(raw, expect="451 4.3.0")
    monkeypatch.undo()
    second = await ingress.mx()
    for _ in range(2):  # the retry, and the same octets on purpose
        await second.envelope()
        await second.data(raw)
    await eventually(lambda: len(ingress.received) == 3)
    ids = [mail.envelope.id for mail in ingress.received]
    assert ids[0] == ids[1] != ids[2]
    assert [mail.raw for mail in ingress.received] == [raw] * 3


async def test_by_http_the_retry_with_the_same_key_is_the_same_message(
    ingress: Any, speechless: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Composed anew, it has other octets: each of the two keeps its own."""
    headers = {"Authorization": "Bearer reporting", "Idempotency-Key": uuid.uuid4().hex}
    text = "Bonjour\n" * 50_000
    letter = {"from": "app@example.org", "to": ["jean.toto@example.org"], "subject": "x", "text": text}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{8001 + ingress.port_base}", trust_env=False) as http:
        speechless(ingress)
        assert (await http.post("/v1/messages", json=letter, headers=headers)).status_code == 503
        monkeypatch.undo()
        answers = [await http.post("/v1/messages", json=letter, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    await eventually(lambda: len(ingress.received) == 2)
    assert {mail.envelope.id for mail in ingress.received} == {answer.json()["id"] for answer in answers}
    assert [sha256(mail.raw).hexdigest() for mail in ingress.received] == [
        mail.envelope.sha256 for mail in ingress.received
    ]
