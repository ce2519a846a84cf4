"""What is peculiar to the bus on RabbitMQ."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel

from libs.bus import Delivery, Event, Limits, Refused, Unavailable
from libs.bus.rabbitmq import RabbitBus

Eventually = Callable[..., Awaitable[None]]
BusFactory = Callable[..., Awaitable[RabbitBus]]


async def bury(bus: RabbitBus, queue: str, count: int, eventually: Eventually) -> None:
    async def poison(delivery: Delivery) -> None:
        await delivery.dead_letter("poison")

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
    first = await start_bus(limits=Limits(max_messages=10))
    await first.declare(queue)
    second = await start_bus(limits=Limits(max_messages=20))
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
    """The ladder is in the broker: it goes on while every consumer is away."""
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


async def declare_as_before(bus: RabbitBus, queue: str, rung: str, milliseconds: int) -> None:
    """What a version with one ladder for all queues, and without limits in bytes, has left on the broker."""
    at_least_once = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    dying: dict[str, Any] = {"x-queue-type": "quorum", "x-dead-letter-exchange": ""}
    work: dict[str, Any] = {**dying, **at_least_once, "x-delivery-limit": 20, "x-max-length": 500_000}

    async def act(channel: AbstractChannel) -> None:
        await channel.declare_queue(
            f"{queue}.dead", durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1}
        )
        await channel.declare_queue(
            queue, durable=True, arguments={**work, "x-dead-letter-routing-key": f"{queue}.dead"}
        )
        exchange = await channel.declare_exchange(rung, "fanout", durable=True)
        arguments: dict[str, Any] = {**dying, **at_least_once, "x-message-ttl": milliseconds}
        await (await channel.declare_queue(rung, durable=True, arguments=arguments)).bind(exchange)
        for body in (b"waited", b"was dead"):
            message = Message(body, message_id=body.decode(), delivery_mode=2)
            await channel.default_exchange.publish(message, queue if body == b"waited" else f"{queue}.dead")
        await exchange.publish(Message(b"was on the ladder", headers={"facteur-attempts": 3}, delivery_mode=2), queue)

    await (await bus._connection()).control(act)


async def test_a_cluster_of_the_version_before_is_taken_over_with_all_that_waits_in_it(
    start_bus: BusFactory, queue: str, eventually: Eventually
) -> None:
    await declare_as_before(await start_bus(), queue, f"retry.{queue}", 300)
    bus = await start_bus(limits=Limits(max_messages=1000, max_bytes=1 << 20))
    await bus.declare(queue)
    taken: dict[bytes, list[int]] = {}

    async def retry_once(delivery: Delivery) -> None:
        taken.setdefault(delivery.body, []).append(delivery.attempt)
        if len(taken[delivery.body]) == 1:
            await delivery.retry(timedelta(milliseconds=50), reason="again")
        else:
            await delivery.ack()

    await bus.consume(queue, retry_once)
    [letter] = await bus.dead_letters(queue)
    assert await bus.replay(queue, letter.id)
    expected = {b"waited": [1, 2], b"was dead": [1, 2], b"was on the ladder": [4, 5]}
    await eventually(lambda: taken == expected)
    depth = await bus.depth(queue)
    assert (depth.ready, depth.dead) == (0, 0)


async def test_a_version_before_that_still_runs_finds_the_queues_of_this_one_and_uses_them(
    start_bus: BusFactory, bus: RabbitBus, queue: str, eventually: Eventually
) -> None:
    """The other way round in a rolling update: its declarations differ, and it publishes and consumes all the same."""
    with pytest.raises(Refused, match="inequivalent arg"):
        await declare_as_before(bus, queue, f"retry.{queue}", 300)
    await bus.publish(queue, b"x")
    assert (await bus.depth(queue)).ready == 1


async def test_a_refusal_says_what_the_broker_said(start_bus: BusFactory, queue: str, eventually: Eventually) -> None:
    bus = await start_bus(limits=Limits(max_messages=5, max_bytes=1 << 20))
    await bus.declare(queue)
    with pytest.raises(Refused, match=rf"the queue {queue} is full \(\d+ messages\)"):
        await publish_until_refused(bus, queue, b"x")
    bus = await start_bus(limits=Limits(max_messages=500, max_bytes=1 << 20))
    other = f"{queue}.other"
    await bus.declare(other)
    with pytest.raises(Refused, match=r"nack.*full by bytes"):
        await publish_until_refused(bus, other, bytes(100_000))
    with pytest.raises(Refused, match="NO_ROUTE"):
        await bus.publish(f"{queue}.nowhere", b"x")


async def publish_until_refused(bus: RabbitBus, queue: str, body: bytes) -> None:
    for _ in range(100):
        await bus.publish(queue, body)


async def test_a_broker_that_refuses_everything_for_long_is_connected_to_anew(
    start_bus: BusFactory, queue: str, eventually: Eventually
) -> None:
    bus = await start_bus(limits=Limits(max_messages=500, max_bytes=1 << 20), timeout=timedelta(seconds=0.5))
    await bus.declare(queue)
    connection = await bus._running().link.connection()

    async def is_another() -> bool:
        with contextlib.suppress(Refused, Unavailable):
            await publish_until_refused(bus, queue, bytes(100_000))
        return await bus._running().link.connection() is not connection

    await eventually(is_another)
    second = await bus._running().link.connection()
    with contextlib.suppress(Refused, Unavailable):
        await publish_until_refused(bus, queue, bytes(100_000))
    assert await bus._running().link.connection() is second, "and not again at once"


async def test_a_lock_that_was_asked_for_by_a_cancelled_caller_is_given_back(
    start_bus: BusFactory, bus: RabbitBus, queue: str, eventually: Eventually
) -> None:
    await bury(bus, queue, 1, eventually)
    other = await start_bus()
    for pause in range(12):
        looking = asyncio.ensure_future(bus.dead_letters(queue))
        await asyncio.sleep(pause * 0.002)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        async with asyncio.timeout(5):
            assert len(await other.dead_letters(queue)) <= 1


async def test_an_event_queue_of_the_version_before_is_emptied_into_that_of_today(
    start_bus: BusFactory, queue: str, eventually: Eventually
) -> None:
    """Before, it was called after its events, and refused them when it was full."""
    service, event = queue.replace(".", "-"), f"Event{queue}"
    before = await start_bus()
    await declare_as_before(before, f"events.{service}.{event}", f"retry.{queue}", 300)
    heard: list[bytes] = []

    async def hear(event: Event) -> None:
        heard.append(event.payload)

    bus = await start_bus()
    await bus.publish(f"events.{service}.{event}", b"old", {"event": event})
    await bus.subscribe([event], hear, group=f"{service}.row")
    rows, former = {f"{service}.row": [event]}, {f"{service}.{event}": [event]}
    await bus.reconcile_groups(service, rows, former=former)
    await eventually(lambda: b"old" in heard)
    await bus.emit(Event(event, b"new"))
    await eventually(lambda: b"new" in heard)

    async def all_that_could_not_be_heard_is_dead() -> bool:
        await bus.reconcile_groups(service, rows, former=former)
        return (await bus.depth(f"events.{service}.row")).dead == 3

    await eventually(all_that_could_not_be_heard_is_dead)
    bodies = {letter.body for letter in await bus.dead_letters(f"events.{service}.row")}
    assert bodies == {b"waited", b"was dead", b"was on the ladder"}, "they say of no event what they are"
