"""Messages that a consumer gave back by its death are handled soon, whatever the broker says of their number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import pytest

from libs.bus.isolation import IsolationGate
from libs.bus.ports import NotPublished
from libs.bus.rabbitmq import isolated_dispatcher as module
from libs.bus.rabbitmq.codec import decode_properties
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.bus.rabbitmq.consumer import RabbitConsumer
from libs.bus.rabbitmq.delivery import RabbitDelivery
from libs.bus.rabbitmq.isolated_dispatcher import IsolatedDispatcher
from tests.waiting import eventually

EMPTY_PROPERTIES = b"\x00\x00"


class OneConsumer:
    """Remembers what it handled."""

    queue = "mail.x"
    stopped = False

    def __init__(self) -> None:
        self.handled: list[bytes] = []

    async def handle_isolated(self, delivery: RabbitDelivery) -> None:
        self.handled.append(delivery.body)


class Broker:
    """A broker with messages in `mail.x.alone`; `failures` are raised by the next requests."""

    demux = None

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.failures: list[Exception] = []
        self.counts = True
        self.usable = True

    def channel(self, *_: Any, **__: Any) -> Broker:
        return self

    async def open(self) -> None:
        if self.failures:
            raise self.failures.pop()

    async def close(self) -> None:
        pass

    async def get(self, queue: str) -> tuple[int, bytes, bytes] | None:
        return (1, EMPTY_PROPERTIES, self.waiting.pop(0)) if self.waiting else None

    async def count(self, _: AmqpConnection, queue: str) -> int:
        return len(self.waiting) if self.counts else 0


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(module, "ConsumerChannel", broker.channel)
    monkeypatch.setattr(module, "message_count", broker.count)
    monkeypatch.setattr(module, "FIRST_POLL", 0.01)
    monkeypatch.setattr(module, "POLL_AGAIN", 0.02)
    return broker


@asynccontextmanager
async def running(broker: Broker, consumer: OneConsumer) -> AsyncIterator[IsolatedDispatcher]:
    async def connection() -> AmqpConnection:
        return cast(AmqpConnection, broker)

    dispatcher = IsolatedDispatcher(
        connection,
        [cast(RabbitConsumer, consumer)],
        IsolationGate(),
        lambda: broker.usable,
        tries=5,
        timeout=timedelta(seconds=1),
    )
    task = asyncio.get_running_loop().create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        task.cancel()


def test_the_properties_of_these_tests_are_those_of_a_message_without_any() -> None:
    assert decode_properties(EMPTY_PROPERTIES).headers == {}


async def test_what_an_earlier_process_left_is_found_by_its_count(broker: Broker) -> None:
    broker.waiting = [b"a", b"b"]
    consumer = OneConsumer()
    async with running(broker, consumer):
        await eventually(lambda: consumer.handled == [b"a", b"b"])


async def test_what_was_set_aside_is_handled_also_where_the_broker_counts_none(broker: Broker) -> None:
    """RabbitMQ counts 0 where the leader of a quorum queue does not answer it within 250 ms."""
    broker.counts = False
    consumer = OneConsumer()
    async with running(broker, consumer) as dispatcher:
        await asyncio.sleep(0.05)
        broker.waiting = [b"a"]
        dispatcher.notify("mail.x")
        await eventually(lambda: consumer.handled == [b"a"])


async def test_what_was_set_aside_is_looked_for_again_soon_after_a_failure_of_the_broker(broker: Broker) -> None:
    broker.counts = False
    broker.failures = [NotPublished("the channel is closed")]
    consumer = OneConsumer()
    async with running(broker, consumer) as dispatcher:
        await asyncio.sleep(0.05)
        broker.waiting = [b"a"]
        dispatcher.notify("mail.x")
        await eventually(lambda: consumer.handled == [b"a"])


async def test_a_look_that_could_not_begin_is_made_soon(broker: Broker) -> None:
    broker.usable = False
    broker.waiting = [b"a"]
    consumer = OneConsumer()
    async with running(broker, consumer):
        await asyncio.sleep(0.05)
        assert consumer.handled == []
        broker.usable = True
        await eventually(lambda: consumer.handled == [b"a"])
