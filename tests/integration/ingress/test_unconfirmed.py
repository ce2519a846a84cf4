"""A real broker takes a message and its confirm is lost: the peer hears 451, and its retry is the same message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from libs.blobs.files import FileBlobs
from libs.bus import Delivery, Refused, Unavailable
from libs.bus.rabbitmq import RabbitBus
from libs.envelope import Mail, Peer, Recipient, Temporary, decode
from libs.envelope.model import utc_now
from libs.envelope.queues import ANTIVIRUS
from libs.runtime import Outbox
from services.ingress.domain.unconfirmed import Unconfirmed
from services.ingress.reception import Reception, Submission
from tests.servers.rabbitmq import RabbitServer

RAW = b"Subject: large\r\n\r\n" + b"x" * 5000
SUBMISSION = Submission(
    listener="mx",
    peer=Peer(address="192.0.2.7"),
    mail_from="someone@example.net",
    recipients=(Recipient(address="jean.toto@example.org"),),
)


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
        self.reception = Reception(outbox, self.blobs, utc_now, timedelta(seconds=8), memory)
        self.published: list[Mail] = []

    async def hear(self, delivery: Delivery) -> None:
        self.published.append(decode(delivery.body))
        await delivery.ack()

    async def take(self) -> str:
        return await self.reception.take(SUBMISSION, RAW, sha256=sha256(RAW).hexdigest())

    async def take_until_taken(self) -> str:
        """As peers do."""
        async with asyncio.timeout(60):
            while True:
                try:
                    return await self.take()
                except Temporary:
                    await asyncio.sleep(0.05)


@pytest.fixture
async def desk(rabbit_server: RabbitServer, tmp_path: Path) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        proxy = Proxy(rabbit_server.port)
        url = f"amqp://guest:guest@127.0.0.1:{await proxy.start()}/"
        stack.push_async_callback(proxy.close)
        bus = RabbitBus(url, timeout=timedelta(seconds=1))
        beside = RabbitBus(rabbit_server.url)
        for one in (bus, beside):
            await one.start()
            stack.push_async_callback(one.close)
        await bus.declare(ANTIVIRUS)
        desk = Desk(bus, tmp_path / "blobs", proxy)
        await beside.consume(ANTIVIRUS, desk.hear)
        yield desk


Eventually = Callable[..., Awaitable[None]]


async def test_a_confirm_that_is_lost_makes_no_second_message(desk: Desk, eventually: Eventually) -> None:
    desk.proxy.deaf = True
    with pytest.raises(Unavailable):
        await desk.take()
    await eventually(lambda: len(desk.published) == 1, limit=30)
    assert await desk.blobs.get(desk.published[0].envelope.blob or "") == RAW
    desk.proxy.deaf = False
    id = await desk.take_until_taken()
    await eventually(lambda: len(desk.published) == 2, limit=30)
    assert [mail.envelope.id for mail in desk.published] == [id, id]
    assert await desk.take() != id


async def test_a_queue_that_is_gone_surely_did_not_take_it(desk: Desk, rabbit_server: RabbitServer) -> None:
    await asyncio.to_thread(rabbit_server.control, "delete_queue", ANTIVIRUS)
    with pytest.raises(Refused, match="NO_ROUTE"):
        await desk.take()
    assert [path for path in desk.directory.rglob("*") if path.is_file()] == []
