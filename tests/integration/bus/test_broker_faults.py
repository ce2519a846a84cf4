"""Faults of the broker lose no message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from libs.bus import Delivery, Event, NotPublished, Refused, Unavailable
from libs.bus.rabbitmq import RabbitBus
from libs.bus.rabbitmq.delivery import RabbitDelivery
from tests.servers.rabbitmq import RabbitServer

Eventually = Callable[..., Awaitable[None]]
BusFactory = Callable[..., Awaitable[RabbitBus]]


class Taken:
    """Acknowledges everything, and remembers it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, delivery: Delivery) -> None:
        self.bodies.append(delivery.body)
        await delivery.ack()


@contextmanager
def running_again(server: RabbitServer) -> Iterator[None]:
    """Whatever happens in a test, the broker runs for the next one."""
    try:
        yield
    finally:
        server.ensure_running()


async def publish_until_confirmed(bus: RabbitBus, queue: str, body: bytes) -> None:
    """What every publisher of ours does: an unconfirmed message is published again."""
    while True:
        try:
            return await bus.publish(queue, body)
        except (Unavailable, Refused):
            await asyncio.sleep(0.05)


def ready(bus: RabbitBus, queue: str, count: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return (await bus.depth(queue)).ready == count

    return check


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_broker_that_restarts_and_crashes_while_we_publish_and_consume_loses_nothing(
    bus: RabbitBus, queue: str, rabbit_server: RabbitServer, eventually: Eventually
) -> None:
    """Faults 9 and 11: everything that was confirmed is consumed, and both sides come back by themselves.

    The orderly restart comes first: RabbitMQ 3.10 forgets a quorum queue if it is killed within seconds of declaring.
    """
    taken = Taken()
    confirmed: set[bytes] = set()
    await bus.consume(queue, taken)
    enough = asyncio.Event()

    async def publish(share: int) -> None:
        number = 0
        while not enough.is_set():
            body = b"%d of %d" % (number := number + 1, share)
            await publish_until_confirmed(bus, queue, body)
            confirmed.add(body)

    with running_again(rabbit_server):
        # The two starts of the node, which a busy machine makes slow, have limits of their own.
        async with asyncio.timeout(240), asyncio.TaskGroup() as group:
            for share in range(20):
                group.create_task(publish(share))
            for end in (rabbit_server.stop, rabbit_server.kill):
                more = len(taken.bodies) + 200
                await eventually(lambda more=more: len(taken.bodies) > more)
                await asyncio.to_thread(end)
                await eventually(lambda: not bus.healthy)
                await asyncio.to_thread(rabbit_server.start)
                await eventually(lambda: bus.healthy)
            enough.set()
        # What was in flight at the crash is handled one by one, so that the limit is on a standstill, not on the whole.
        while not confirmed <= set(taken.bodies):
            before = len(taken.bodies)
            await eventually(lambda before=before: len(taken.bodies) > before)
        assert bus.healthy
        await eventually(ready(bus, queue, 0))


@pytest.mark.slow
async def test_without_a_broker_publishing_fails_at_once_and_recovers(
    bus: RabbitBus, queue: str, rabbit_server: RabbitServer, eventually: Eventually
) -> None:
    loop = asyncio.get_running_loop()
    with running_again(rabbit_server):
        await asyncio.to_thread(rabbit_server.stop)
        await eventually(lambda: not bus.healthy)
        for _ in range(2):
            started = loop.time()
            with pytest.raises(NotPublished):
                await bus.publish(queue, b"x")
            assert loop.time() - started < 3.0, "callers wait for the patience, not for the outage"
        with pytest.raises(Unavailable):
            await bus.depth(queue)
    await publish_until_confirmed(bus, queue, b"x")
    await eventually(lambda: bus.healthy)
    assert (await bus.depth(queue)).ready == 1


@pytest.mark.slow
async def test_a_memory_alarm_stops_publishers_in_time_and_lets_consumers_drain(
    bus: RabbitBus, queue: str, rabbit_server: RabbitServer, eventually: Eventually
) -> None:
    """Fault 12: the broker stops reading from publishers without a word to those who only write."""
    for number in range(50):
        await bus.publish(queue, b"%d" % number)
    await asyncio.to_thread(rabbit_server.raise_memory_alarm)
    try:
        async with asyncio.timeout(15):
            with pytest.raises(Unavailable):
                await bus.publish(queue, b"too late")
        await eventually(lambda: not bus.healthy)
        async with asyncio.timeout(3):
            with pytest.raises(Unavailable, match="alarm"):
                await bus.publish(queue, b"at once, now that the alarm is known")
        taken = Taken()
        await bus.consume(queue, taken)
        await eventually(lambda: len(taken.bodies) == 50)
    finally:
        await asyncio.to_thread(rabbit_server.clear_memory_alarm)
    await eventually(lambda: bus.healthy)
    await publish_until_confirmed(bus, queue, b"after")
    await eventually(lambda: b"after" in taken.bodies)


async def test_a_paused_broker_is_unavailable_within_the_time_limit(
    start_bus: BusFactory, queue: str, rabbit_server: RabbitServer, eventually: Eventually
) -> None:
    """Fault 33: a peer that is there and says nothing."""
    bus = await start_bus(timeout=timedelta(seconds=1))
    await (await start_bus(timeout=timedelta(seconds=30))).declare(queue)
    loop = asyncio.get_running_loop()
    rabbit_server.pause()
    try:
        started = loop.time()
        results = await asyncio.gather(*(bus.publish(queue, b"x") for _ in range(20)), return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}, results  # it may take them when it goes on
        assert loop.time() - started < 5.0
        await eventually(lambda: not bus.healthy)
    finally:
        rabbit_server.resume()
    await publish_until_confirmed(bus, queue, b"again")
    await eventually(lambda: bus.healthy)


async def test_a_queue_that_is_deleted_refuses_and_is_declared_again_by_its_consumer(
    bus: RabbitBus, queue: str, rabbit_server: RabbitServer, eventually: Eventually
) -> None:
    """Fault 15: an unroutable message is confirmed by the broker, so it must be seen as returned."""
    await asyncio.to_thread(rabbit_server.control, "delete_queue", queue)
    with pytest.raises(Refused, match="NO_ROUTE"):
        await bus.publish(queue, b"lost if this did not raise")
    taken = Taken()
    await bus.consume(queue, taken)
    await bus.publish(queue, b"1")
    await eventually(lambda: taken.bodies == [b"1"])
    await asyncio.to_thread(rabbit_server.control, "delete_queue", queue)
    await publish_until_confirmed(bus, queue, b"2")
    await eventually(lambda: taken.bodies == [b"1", b"2"])


async def test_a_missing_rung_of_the_ladder_is_declared_again(
    bus: RabbitBus, queue: str, rabbit_server: RabbitServer, eventually: Eventually
) -> None:
    attempts: list[int] = []

    async def try_twice(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            await delivery.retry(timedelta(milliseconds=50), reason="again")
        else:
            await delivery.ack()

    await bus.consume(queue, try_twice)
    await bus.publish(queue, b"x")
    await eventually(lambda: attempts == [1, 2])
    await asyncio.to_thread(rabbit_server.control, "delete_queue", f"retry.{queue}.0.05s")
    await bus.publish(queue, b"y")
    await eventually(lambda: attempts == [1, 2, 1, 2])
    await eventually(ready(bus, queue, 0))


async def test_connections_that_an_operator_closes_come_back(
    bus: RabbitBus, queue: str, rabbit_server: RabbitServer, eventually: Eventually
) -> None:
    taken, heard = Taken(), []

    async def hear(event: Event) -> None:
        heard.append(event.payload)

    await bus.consume(queue, taken)
    await bus.subscribe([queue], hear)
    await asyncio.to_thread(rabbit_server.control, "close_all_connections", "maintenance")
    await publish_until_confirmed(bus, queue, b"x")
    await eventually(lambda: b"x" in taken.bodies)

    async def hears() -> bool:
        try:
            await bus.emit(Event(queue, b"1"))
        except Unavailable:
            return False
        return bool(heard)

    await eventually(hears)


async def test_a_message_given_back_too_often_is_a_dead_letter_not_a_loss(
    start_bus: BusFactory, queue: str, eventually: Eventually
) -> None:
    """Fault 19: it neither goes round for ever, nor is it dropped."""
    bus = await start_bus()
    attempts: list[int] = []

    async def give_back(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        await delivery.requeue()

    await bus.declare(queue)
    await bus.publish(queue, b"poison", {"trace": "t"})
    await bus.consume(queue, give_back)

    async def is_dead() -> bool:
        return (await bus.depth(queue)).dead == 1

    await eventually(is_dead)
    assert attempts == sorted(attempts)
    [letter] = await bus.dead_letters(queue)
    assert (letter.body, letter.attempts, dict(letter.headers)) == (b"poison", attempts[-1] + 1, {"trace": "t"})
    assert letter.reason == "given back 20 times by its consumers"
    assert await bus.replay(queue, letter.id)


async def test_what_was_in_hand_when_the_connection_was_lost_cannot_be_acknowledged(
    bus: RabbitBus, queue: str, rabbit_server: RabbitServer, eventually: Eventually
) -> None:
    in_flight: list[RabbitDelivery] = []
    running = most = 0
    go = asyncio.Event()

    async def hold(delivery: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        in_flight.append(delivery)
        await go.wait()
        running -= 1
        if delivery.attempt > 1:
            await delivery.ack()

    for _ in range(3):
        await bus.publish(queue, b"x")
    await bus.consume(queue, hold, prefetch=3)
    await eventually(lambda: len(in_flight) == 3)
    await asyncio.to_thread(rabbit_server.control, "close_all_connections", "maintenance")
    await eventually(lambda: in_flight[0].lost)
    with pytest.raises(Unavailable):
        await in_flight[0].ack()
    go.set()
    await eventually(lambda: len(in_flight) == 6)
    assert most == 3, "handlers of the lost channel count too"
    assert [delivery.attempt for delivery in in_flight] == [1, 1, 1, 2, 2, 2]
    await eventually(ready(bus, queue, 0))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("amqp://guest:guest@127.0.0.1:1/", "cannot be reached"),
        ("amqp://guest:wrong@127.0.0.1:{port}/", "ACCESS_REFUSED"),
        ("amqp://guest:guest@127.0.0.1:{port}/nowhere", "vhost nowhere not found"),
    ],
    ids=["nobody_there", "wrong_password", "wrong_vhost"],
)
async def test_a_bus_that_cannot_connect_says_why(rabbit_server: RabbitServer, url: str, reason: str) -> None:
    bus = RabbitBus(url.format(port=rabbit_server.port), start_timeout=timedelta(seconds=1))
    with pytest.raises(Unavailable, match=reason):
        await bus.start()
    assert not bus.healthy
    await bus.close()
