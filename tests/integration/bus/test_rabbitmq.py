"""What is peculiar to the bus on RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from libs.bus import Delivery
from libs.bus.rabbitmq import RabbitBus

Eventually = Callable[..., Awaitable[None]]
BusFactory = Callable[..., Awaitable[RabbitBus]]


async def bury(bus: RabbitBus, queue: str, count: int, eventually: Eventually) -> None:
    async def poison(delivery: Delivery) -> None:
        await delivery.bury("poison")

    await asyncio.gather(*(bus.publish(queue, b"%d" % number) for number in range(count)))
    consumer = await bus.consume(queue, poison, prefetch=50)

    async def all_dead() -> bool:
        return (await bus.depth(queue)).dead == count

    await eventually(all_dead)
    await consumer.stop()


async def test_two_processes_looking_at_the_same_dead_letters_hide_nothing_from_each_other(
    start_bus: BusFactory, bus: RabbitBus, queue: str, eventually: Eventually
) -> None:
    other = await start_bus()
    await bury(bus, queue, 5, eventually)
    pages = await asyncio.gather(*(b.dead_letters(queue) for b in (bus, other) for _ in range(3)))
    assert [len(page) for page in pages] == [5] * 6
    assert len({tuple(letter.id for letter in page) for page in pages}) == 1


async def test_hundreds_of_dead_letters_can_be_paged_and_one_deep_among_them_replayed(
    bus: RabbitBus, queue: str, eventually: Eventually
) -> None:
    await bury(bus, queue, 300, eventually)
    ids: list[str] = []
    while page := await bus.dead_letters(queue, after=ids[-1] if ids else None, limit=100):
        ids += [letter.id for letter in page]
    assert len(set(ids)) == len(ids) == 300
    assert await bus.replay(queue, ids[250])
    left = await bus.dead_letters(queue, after=ids[240], limit=20)
    assert [letter.id for letter in left] == [*ids[241:250], *ids[251:262]]
    depth = await bus.depth(queue)
    assert (depth.ready, depth.dead) == (1, 299)


async def test_looking_at_dead_letters_many_times_never_drops_them(
    bus: RabbitBus, queue: str, eventually: Eventually
) -> None:
    """Each look counts as a delivery, and a delivery limit would drop them (RabbitMQ 4: 20 by default)."""
    await bury(bus, queue, 1, eventually)
    for _ in range(25):
        assert len(await bus.dead_letters(queue)) == 1


async def test_a_queue_that_was_declared_with_other_limits_is_used_as_it_is(start_bus: BusFactory, queue: str) -> None:
    first = await start_bus(max_length=10)
    await first.declare(queue)
    second = await start_bus(max_length=20)
    await second.declare(queue)
    await second.publish(queue, b"x")
    assert (await second.depth(queue)).ready == 1


async def test_hundreds_of_publishers_are_in_flight_at_once(bus: RabbitBus, queue: str) -> None:
    body = bytes(4096)
    async with asyncio.timeout(30):
        await asyncio.gather(*(bus.publish(queue, body) for _ in range(1000)))
    assert (await bus.depth(queue)).ready == 1000


async def test_messages_larger_than_a_frame_arrive_whole(bus: RabbitBus, queue: str, eventually: Eventually) -> None:
    bodies = [bytes([number]) * size for number, size in enumerate((131064, 131065, 262128, 700_000))]
    taken: list[bytes] = []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.body)
        await delivery.ack()

    await asyncio.gather(*(bus.publish(queue, body) for body in bodies))
    await bus.consume(queue, take)
    await eventually(lambda: len(taken) == 4)
    assert sorted(taken) == sorted(bodies)


async def test_retries_wait_on_the_rung_without_the_consumer(
    start_bus: BusFactory, bus: RabbitBus, queue: str, eventually: Eventually
) -> None:
    """The ladder is in the broker: it goes on while every consumer is away, and is shared by all queues."""
    deferred = asyncio.Event()

    async def defer(delivery: Delivery) -> None:
        await delivery.retry(timedelta(milliseconds=400), reason="engine down")
        deferred.set()

    await bus.publish(queue, b"x")
    await bus.consume(queue, defer)
    await asyncio.wait_for(deferred.wait(), 10)
    assert (await bus.depth(queue)).ready == 0
    await bus.close()
    other = await start_bus()

    async def is_back() -> bool:
        return (await other.depth(queue)).ready == 1

    await eventually(is_back)


@pytest.mark.parametrize("queue_name", ["q" * 256, "é" * 128])
async def test_a_name_that_does_not_fit_the_protocol_is_one_clear_error(bus: RabbitBus, queue_name: str) -> None:
    with pytest.raises(ValueError, match="255 bytes"):
        await bus.publish(queue_name, b"x")
