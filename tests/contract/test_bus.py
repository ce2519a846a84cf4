"""What every bus promises, tried on each of them with the real thing behind it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.bus import Bus, DeadLetter, Delivery, Event, Limits, Refused, Unavailable
from libs.bus.ports import MAX_MESSAGE_BYTES
from libs.envelope import Permanent

Eventually = Callable[..., Awaitable[None]]
SHORT = timedelta(milliseconds=50)


class Hand:
    """A handler that keeps what it gets, and does with it what it was told to."""

    def __init__(self, act: Callable[[Delivery], Awaitable[None]] | None = None) -> None:
        self.taken: list[Delivery] = []
        self.act = act

    async def __call__(self, delivery: Delivery) -> None:
        self.taken.append(delivery)
        if self.act is not None:
            await self.act(delivery)

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.taken]

    @property
    def attempts(self) -> list[int]:
        return [delivery.attempt for delivery in self.taken]


async def ack(delivery: Delivery) -> None:
    await delivery.ack()


def bury(reason: str) -> Callable[[Delivery], Awaitable[None]]:
    return lambda delivery: delivery.dead_letter(reason)


def retry_until(attempt: int, *, delay: timedelta = SHORT, **options: Any) -> Callable[[Delivery], Awaitable[None]]:
    async def act(delivery: Delivery) -> None:
        if delivery.attempt < attempt:
            await delivery.retry(delay, reason="engine down", **options)
        else:
            await delivery.ack()

    return act


def is_empty(bus: Bus, queue: str) -> Callable[[], Any]:
    async def check() -> bool:
        depth = await bus.depth(queue)
        return (depth.ready, depth.pending, depth.dead) == (0, 0, 0)

    return check


def has_dead(bus: Bus, queue: str, count: int) -> Callable[[], Any]:
    async def check() -> bool:
        return (await bus.depth(queue)).dead == count

    return check


async def kill_the_dead(bus: Bus, queue: str, *bodies: bytes, eventually: Eventually) -> None:
    """Publish `bodies` and bury them in their order."""
    for body in bodies:
        await bus.publish(queue, body, {"trace": body.decode()})
    consumer = await bus.consume(queue, Hand(bury("poison")), prefetch=1)
    await eventually(has_dead(bus, queue, len(bodies)))
    await consumer.stop()


@pytest.mark.parametrize("body", [b"", b"plain", bytes(range(256)) * 1200], ids=["empty", "short", "300_KB"])
async def test_a_message_arrives_as_it_was_published(bus: Bus, place: Any, eventually: Eventually, body: bytes) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    hand = Hand(ack)
    await bus.consume(place.queue, hand)
    await bus.publish(place.queue, body, {"traceparent": "00-ab-cd-01", "name": "Zoë"})
    await eventually(lambda: hand.taken)
    [delivery] = hand.taken
    assert (delivery.queue, delivery.body, delivery.attempt) == (place.queue, body, 1)
    assert dict(delivery.headers) == {"traceparent": "00-ab-cd-01", "name": "Zoë"}
    assert before <= delivery.first_seen <= datetime.now(UTC)


async def test_messages_that_waited_come_in_their_order(bus: Bus, place: Any, eventually: Eventually) -> None:
    bodies = [str(number).encode() for number in range(100)]
    for body in bodies:
        await bus.publish(place.queue, body)
    hand = Hand(ack)
    await bus.consume(place.queue, hand, prefetch=7)
    await eventually(lambda: len(hand.taken) == 100)
    assert hand.bodies == bodies


async def test_many_publishers_at_once_lose_and_double_nothing(bus: Bus, place: Any, eventually: Eventually) -> None:
    hand = Hand(ack)
    await bus.consume(place.queue, hand)
    bodies = [str(number).encode() for number in range(500)]
    await asyncio.gather(*(bus.publish(place.queue, body) for body in bodies))
    await eventually(lambda: len(hand.taken) >= 500)
    assert sorted(hand.bodies) == sorted(bodies)
    await eventually(is_empty(bus, place.queue))


async def test_an_acknowledged_message_does_not_come_again_after_a_restart(place: Any, eventually: Eventually) -> None:
    first = await place.start()
    hand = Hand(ack)
    await first.consume(place.queue, hand)
    await first.publish(place.queue, b"once")
    await eventually(is_empty(first, place.queue))
    await first.close()
    second = await place.start()
    assert (await second.depth(place.queue)).ready == 0
    assert hand.bodies == [b"once"]


async def test_no_more_than_the_prefetch_is_in_hand(bus: Bus, place: Any, eventually: Eventually) -> None:
    in_flight = most = done = 0
    go = asyncio.Event()

    async def hold(delivery: Delivery) -> None:
        nonlocal in_flight, most, done
        in_flight += 1
        most = max(most, in_flight)
        await go.wait()
        await delivery.ack()
        in_flight -= 1
        done += 1

    await asyncio.gather(*(bus.publish(place.queue, b"x") for _ in range(20)))
    await bus.consume(place.queue, hold, prefetch=3)
    await bus.publish(place.queue, b"one more")
    await eventually(lambda: in_flight == 3)
    go.set()
    await eventually(lambda: done == 21)
    assert most == 3


async def test_a_retry_comes_back_counted_and_does_not_block_those_behind(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    order: list[tuple[bytes, int]] = []

    async def act(delivery: Delivery) -> None:
        order.append((delivery.body, delivery.attempt))
        if delivery.body == b"slow" and delivery.attempt == 1:
            await delivery.retry(SHORT, reason="engine down")
        else:
            await delivery.ack()

    await bus.publish(place.queue, b"slow", {"trace": "t1"})
    await bus.publish(place.queue, b"quick")
    hand = Hand(act)
    await bus.consume(place.queue, hand, prefetch=1)
    await eventually(lambda: len(order) == 3)
    assert order == [(b"slow", 1), (b"quick", 1), (b"slow", 2)]
    assert hand.taken[2].first_seen == hand.taken[0].first_seen
    assert dict(hand.taken[2].headers) == {"trace": "t1"}


async def test_attempts_go_on_counting_over_several_retries(bus: Bus, place: Any, eventually: Eventually) -> None:
    hand = Hand(retry_until(4))
    await bus.consume(place.queue, hand)
    await bus.publish(place.queue, b"x")
    await eventually(lambda: len(hand.taken) == 4)
    assert hand.attempts == [1, 2, 3, 4]
    await eventually(is_empty(bus, place.queue))


async def test_bugs_are_counted_apart_from_outages_over_retries_and_a_restart(
    place: Any, eventually: Eventually
) -> None:
    seen: list[tuple[int, int, dict[str, str]]] = []

    async def fail_twice(delivery: Delivery) -> None:
        if delivery.attempt == 5:
            await delivery.ack()
        else:
            await delivery.retry(SHORT, reason="again", bug=delivery.attempt in (2, 3))
        seen.append((delivery.attempt, delivery.bugs, dict(delivery.headers)))
        if delivery.attempt == 3:
            await consumer.stop()

    bus = await place.start()
    consumer = await bus.consume(place.queue, fail_twice)
    await bus.publish(place.queue, b"x", {"trace": "t"})
    await eventually(lambda: len(seen) == 3)
    await bus.close()
    await (await place.start()).consume(place.queue, fail_twice)
    await eventually(lambda: len(seen) == 5)
    assert seen == [(number, bugs, {"trace": "t"}) for number, bugs in enumerate((0, 0, 1, 2, 2), 1)]


async def test_what_a_handler_can_never_do_is_a_dead_letter_at_once(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    async def refuse(event: Event) -> None:
        raise Permanent("an event that nobody can read")

    await bus.subscribe(["Odd"], refuse, group=place.queue)
    await bus.emit(Event("Odd", b"1"))
    queue = f"events.{place.queue}"
    await eventually(has_dead(bus, queue, 1))
    [letter] = await bus.dead_letters(queue)
    assert (letter.reason, letter.attempts) == ("an event that nobody can read", 1)


async def test_a_longer_delay_waits_on_a_higher_rung(bus: Bus, place: Any, eventually: Eventually) -> None:
    order: list[bytes] = []

    async def act(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            delay = timedelta(milliseconds=60) if delivery.body == b"long" else SHORT
            await delivery.retry(delay, reason="again")
        else:
            order.append(delivery.body)
            await delivery.ack()

    await bus.consume(place.queue, act, prefetch=1)
    await bus.publish(place.queue, b"long")
    await bus.publish(place.queue, b"short")
    await eventually(lambda: len(order) == 2)
    assert order == [b"short", b"long"]


async def test_a_retry_may_carry_another_body(bus: Bus, place: Any, eventually: Eventually) -> None:
    hand = Hand(retry_until(2, body=b"only the rest"))
    await bus.consume(place.queue, hand)
    await bus.publish(place.queue, b"everything")
    await eventually(lambda: len(hand.taken) == 2)
    assert hand.bodies == [b"everything", b"only the rest"]


async def test_a_buried_message_is_a_dead_letter_with_its_reason(bus: Bus, place: Any, eventually: Eventually) -> None:
    await kill_the_dead(bus, place.queue, b"poison", eventually=eventually)
    [letter] = await bus.dead_letters(place.queue)
    assert (letter.queue, letter.reason, letter.body, letter.attempts) == (place.queue, "poison", b"poison", 1)
    assert dict(letter.headers) == {"trace": "poison"}
    assert abs(letter.died_at - datetime.now(UTC)) < timedelta(seconds=20)
    depth = await bus.depth(place.queue)
    assert (depth.ready, depth.pending, depth.dead) == (0, 0, 1)


async def test_a_reason_with_bytes_of_a_hostile_peer_is_kept_readable(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    reason = "550 " + b"\xff\x00".decode(errors="surrogateescape") + "é" * 2000
    await bus.publish(place.queue, b"x")
    await bus.consume(place.queue, Hand(bury(reason)))
    await eventually(has_dead(bus, place.queue, 1))
    [letter] = await bus.dead_letters(place.queue)
    assert letter.reason.startswith("550 ")


async def test_a_parked_message_is_a_dead_letter_that_can_be_replayed(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    await bus.declare(place.queue)
    await bus.publish_dead_letter(place.queue, b"given up", "550 5.1.1 \udce9", {"a": "b"})
    [letter] = await bus.dead_letters(place.queue)
    assert (letter.body, letter.attempts, dict(letter.headers)) == (b"given up", 1, {"a": "b"})
    assert letter.reason.startswith("550 5.1.1")
    assert (await bus.depth(place.queue)).dead == 1
    assert await bus.replay(place.queue, letter.id)
    taken: list[bytes] = []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.body)
        await delivery.ack()

    await bus.consume(place.queue, take)
    await eventually(lambda: taken == [b"given up"])


async def test_dead_letters_are_listed_in_pages_oldest_first(bus: Bus, place: Any, eventually: Eventually) -> None:
    bodies = [str(number).encode() for number in range(7)]
    await kill_the_dead(bus, place.queue, *bodies, eventually=eventually)
    seen: list[bytes] = []
    after: str | None = None
    while page := await bus.dead_letters(place.queue, after=after, limit=3):
        assert len(page) <= 3
        seen += [letter.body for letter in page]
        after = page[-1].id
    assert seen == bodies
    assert [letter.body for letter in await bus.dead_letters(place.queue)] == bodies


async def test_dead_letters_listed_by_several_at_once_hide_nothing(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    bodies = [str(number).encode() for number in range(5)]
    await kill_the_dead(bus, place.queue, *bodies, eventually=eventually)
    pages = await asyncio.gather(*(bus.dead_letters(place.queue) for _ in range(5)))
    assert [[letter.body for letter in page] for page in pages] == [bodies] * 5
    ids = [[letter.id for letter in page] for page in pages]
    assert ids == [ids[0]] * 5


async def test_a_replayed_dead_letter_comes_as_a_first_attempt(bus: Bus, place: Any, eventually: Eventually) -> None:
    await kill_the_dead(bus, place.queue, b"a", b"b", b"c", eventually=eventually)
    letters = await bus.dead_letters(place.queue)
    hand = Hand(ack)
    await bus.consume(place.queue, hand)
    assert await bus.replay(place.queue, letters[1].id)
    await eventually(lambda: hand.taken)
    [delivery] = hand.taken
    assert (delivery.body, delivery.attempt, dict(delivery.headers)) == (b"b", 1, {"trace": "b"})
    assert delivery.first_seen >= letters[1].died_at - timedelta(seconds=1)
    assert [letter.body for letter in await bus.dead_letters(place.queue)] == [b"a", b"c"]
    assert not await bus.replay(place.queue, letters[1].id)


async def test_a_purged_dead_letter_is_gone(bus: Bus, place: Any, eventually: Eventually) -> None:
    await kill_the_dead(bus, place.queue, b"a", b"b", eventually=eventually)
    letters = await bus.dead_letters(place.queue)
    assert await bus.purge(place.queue, letters[0].id)
    assert not await bus.purge(place.queue, letters[0].id)
    assert [letter.body for letter in await bus.dead_letters(place.queue)] == [b"b"]


@pytest.mark.parametrize("id", ["", "no such", "-1", "9" * 400, "²", "é"])
async def test_an_id_that_is_none_of_ours_finds_nothing(bus: Bus, place: Any, id: str) -> None:
    assert not await bus.replay(place.queue, id)
    assert not await bus.purge(place.queue, id)
    assert await bus.dead_letters(place.queue, after=id) == []


async def test_a_page_behind_a_letter_that_is_gone_goes_on_with_what_is_left(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    await kill_the_dead(bus, place.queue, b"a", b"b", b"c", eventually=eventually)
    [first] = await bus.dead_letters(place.queue, limit=1)
    assert await bus.replay(place.queue, first.id)
    assert [letter.body for letter in await bus.dead_letters(place.queue, after=first.id)] == [b"b", b"c"]


async def test_a_released_message_goes_to_another_consumer_at_once(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    leaving, staying = Hand(), Hand(ack)
    await bus.publish(place.queue, b"x")
    consumer = await bus.consume(place.queue, leaving)
    await eventually(lambda: leaving.taken)
    await consumer.stop()
    await bus.consume(place.queue, staying)
    await leaving.taken[0].requeue()
    await eventually(lambda: staying.bodies == [b"x"])


async def test_a_stopped_consumer_takes_nothing_more_and_may_end_what_it_has(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    hand = Hand()
    consumer = await bus.consume(place.queue, hand, prefetch=1)
    await bus.publish(place.queue, b"in flight")
    await bus.publish(place.queue, b"waits")
    await eventually(lambda: hand.taken)
    await consumer.stop()
    await hand.taken[0].ack()
    other = Hand(ack)
    await bus.consume(place.queue, other)
    await eventually(lambda: other.bodies == [b"waits"])
    assert hand.bodies == [b"in flight"]


async def test_a_message_whose_handler_raises_comes_back_counted_and_ends_in_the_dead_letters(
    place: Any, eventually: Eventually
) -> None:
    bus = await place.start(delivery_limit=3)

    async def crash(delivery: Delivery) -> None:
        raise ZeroDivisionError("a bug")

    hand = Hand(crash)
    await bus.publish(place.queue, b"poison")
    await bus.consume(place.queue, hand)
    await eventually(has_dead(bus, place.queue, 1))
    assert hand.attempts == [1, 2, 3]
    [letter] = await bus.dead_letters(place.queue)
    assert (letter.reason, letter.attempts) == ("ZeroDivisionError: a bug", 3)


async def test_a_handler_that_raises_does_not_stop_the_others(bus: Bus, place: Any, eventually: Eventually) -> None:
    done: list[bytes] = []

    async def act(delivery: Delivery) -> None:
        if delivery.body == b"bad" and delivery.attempt == 1:
            raise ValueError("first time")
        done.append(delivery.body)
        await delivery.ack()

    await bus.consume(place.queue, act, prefetch=1)
    for body in (b"bad", b"good", b"good"):
        await bus.publish(place.queue, body)
    await eventually(lambda: done == [b"good", b"good", b"bad"])


async def test_a_delivery_ends_only_once(bus: Bus, place: Any, eventually: Eventually) -> None:
    hand = Hand(ack)
    await bus.consume(place.queue, hand)
    await bus.publish(place.queue, b"x")
    await eventually(lambda: hand.taken and hand.taken[0].settled)
    for again in (hand.taken[0].ack(), hand.taken[0].requeue(), hand.taken[0].dead_letter("no")):
        with pytest.raises(RuntimeError, match="already settled"):
            await again


DIE_WITH_A_MESSAGE_IN_HAND = """
import asyncio, os, signal, sys
from libs.bus import open_bus

async def die(delivery):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    bus = open_bus(sys.argv[1])
    await bus.start()
    await bus.consume(sys.argv[2], die)
    await asyncio.sleep(30)

asyncio.run(main())
"""


async def die_with_a_message_in_hand(place: Any) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIE_WITH_A_MESSAGE_IN_HAND, place.url, place.queue
    )
    async with asyncio.timeout(30):
        assert await process.wait() == -9


async def test_a_message_in_hand_of_a_killed_process_comes_back_counted(place: Any, eventually: Eventually) -> None:
    first = await place.start()
    await first.publish(place.queue, b"x")
    await first.close()
    await die_with_a_message_in_hand(place)
    second = await place.start()
    hand = Hand(ack)
    await second.consume(place.queue, hand)
    await eventually(lambda: hand.taken)
    assert (hand.bodies, hand.attempts) == ([b"x"], [2])


async def test_a_message_that_no_broker_would_take_is_refused_alone(bus: Bus, place: Any) -> None:
    with pytest.raises(Refused, match="16777216"):
        await bus.publish(place.queue, bytes(MAX_MESSAGE_BYTES + 1))
    await bus.publish(place.queue, b"the bus still works")


async def test_a_queue_that_is_not_there_refuses(bus: Bus, place: Any) -> None:
    with pytest.raises(Refused):
        await bus.publish(f"{place.queue}.nowhere", b"x")
    with pytest.raises(Refused):
        await bus.depth(f"{place.queue}.nowhere")
    with pytest.raises(Refused):
        await bus.dead_letters(f"{place.queue}.nowhere")
    await bus.publish(place.queue, b"the bus still works")


async def publish_until_refused(bus: Bus, queue: str, body: bytes = b"one too many") -> None:
    for _ in range(100):
        await bus.publish(queue, body)


async def test_a_full_queue_refuses_and_takes_again_when_it_is_drained(place: Any, eventually: Eventually) -> None:
    bus = await place.start(limits=Limits(max_messages=10))
    await asyncio.gather(*(bus.publish(place.queue, b"x") for _ in range(10)))
    with pytest.raises(Refused):
        await publish_until_refused(bus, place.queue)
    hand = Hand(ack)
    await bus.consume(place.queue, hand)
    await eventually(is_empty(bus, place.queue))
    await bus.publish(place.queue, b"room again")
    await eventually(lambda: hand.bodies[-1] == b"room again")


async def test_each_group_hears_an_event_once_and_each_broadcast_subscriber_too(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    heard: list[str] = []

    def ear(name: str) -> Callable[[Event], Awaitable[None]]:
        async def hear(event: Event) -> None:
            assert (event.name, event.payload) == ("UsageChanged", b'{"used":1}')
            heard.append(name)

        return hear

    group_one, group_two = f"{place.queue}.one", f"{place.queue}.two"
    await bus.subscribe(["UsageChanged"], ear("one"), group=group_one)
    await bus.subscribe(["UsageChanged"], ear("one"), group=group_one)
    await bus.subscribe(["UsageChanged", "Other"], ear("two"), group=group_two)
    await bus.subscribe(["UsageChanged"], ear("live"))
    await bus.subscribe(["UsageChanged"], ear("live"))
    await bus.subscribe(["Other"], ear("deaf"))
    await bus.emit(Event("Unheard", b"{}"))
    await bus.emit(Event("UsageChanged", b'{"used":1}'))
    await eventually(lambda: len(heard) >= 4)
    await eventually(is_empty(bus, f"events.{group_one}"))
    assert sorted(heard) == ["live", "live", "one", "two"]


async def test_a_group_hears_again_what_it_could_not_handle(bus: Bus, place: Any, eventually: Eventually) -> None:
    tries: list[bytes] = []

    async def hear(event: Event) -> None:
        tries.append(event.payload)
        if len(tries) < 3:
            raise ConnectionError("database away")

    await bus.subscribe(["UsageChanged"], hear, group=place.queue)
    await bus.emit(Event("UsageChanged", b"1"))
    await eventually(lambda: tries == [b"1"] * 3)
    await eventually(is_empty(bus, f"events.{place.queue}"))


async def test_a_group_hears_what_happened_while_it_was_away(place: Any, eventually: Eventually) -> None:
    heard: list[bytes] = []

    async def hear(event: Event) -> None:
        heard.append(event.payload)

    first = await place.start()
    consumer = await first.subscribe(["UsageChanged"], hear, group=place.queue)
    await consumer.stop()
    await first.emit(Event("UsageChanged", b"1"))
    await first.close()
    second = await place.start()
    await second.emit(Event("UsageChanged", b"2"))
    await second.subscribe(["UsageChanged"], hear, group=place.queue)
    await eventually(lambda: heard == [b"1", b"2"])


async def test_a_broadcast_handler_that_raises_hears_the_next_event(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    heard: list[bytes] = []

    async def hear(event: Event) -> None:
        heard.append(event.payload)
        raise ValueError("a bug")

    name = f"Event{place.queue}"
    consumer = await bus.subscribe([name], hear)
    await bus.emit(Event(name, b"1"))
    await bus.emit(Event(name, b"2"))
    await eventually(lambda: heard == [b"1", b"2"])
    await consumer.stop()
    await bus.emit(Event(name, b"3"))
    assert heard == [b"1", b"2"]


async def test_one_group_cannot_hear_different_events_in_one_process(bus: Bus, place: Any) -> None:
    async def hear(event: Event) -> None: ...

    await bus.subscribe(["A"], hear, group=place.queue)
    with pytest.raises(ValueError, match="already hears"):
        await bus.subscribe(["B"], hear, group=place.queue)


async def test_a_restart_keeps_what_waits_is_delayed_or_dead(place: Any, eventually: Eventually) -> None:
    first = await place.start()
    await kill_the_dead(first, place.queue, b"dead", eventually=eventually)
    delayed = Hand(lambda delivery: delivery.retry(timedelta(milliseconds=400), reason="again"))
    consumer = await first.consume(place.queue, delayed)
    await first.publish(place.queue, b"delayed")
    await eventually(lambda: delayed.taken and delayed.taken[0].settled)
    await consumer.stop()
    await first.publish(place.queue, b"waits")
    await first.close()

    second = await place.start()
    assert (await second.depth(place.queue)).dead == 1
    hand = Hand(ack)
    await second.consume(place.queue, hand)
    await eventually(lambda: sorted(hand.bodies) == [b"delayed", b"waits"])
    assert [letter.body for letter in await second.dead_letters(place.queue)] == [b"dead"]


async def test_a_message_in_hand_when_the_bus_is_closed_comes_back(place: Any, eventually: Eventually) -> None:
    first = await place.start()
    never = asyncio.Event()
    ended = asyncio.Event()

    async def hold(delivery: Delivery) -> None:
        try:
            await never.wait()
        finally:
            ended.set()

    hand = Hand(hold)
    await first.consume(place.queue, hand)
    await first.publish(place.queue, b"x")
    await eventually(lambda: hand.taken)
    await first.close()
    assert ended.is_set(), "the task of the handler has an owner, which ended it"
    with pytest.raises(Unavailable):
        await hand.taken[0].ack()

    second = await place.start()
    again = Hand(ack)
    await second.consume(place.queue, again)
    await eventually(lambda: again.bodies == [b"x"])


async def test_a_bus_that_is_not_running_says_so(place: Any) -> None:
    bus = place.build()
    assert not bus.healthy
    with pytest.raises(Unavailable):
        await bus.publish(place.queue, b"x")
    await bus.start()
    assert bus.healthy
    await bus.close()
    await bus.close()
    assert not bus.healthy
    for call in (bus.publish(place.queue, b"x"), bus.declare("x"), bus.depth(place.queue), bus.emit(Event("A", b""))):
        with pytest.raises(Unavailable):
            await call


async def test_a_publisher_that_is_cancelled_leaves_the_bus_in_order(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    publishing = [asyncio.ensure_future(bus.publish(place.queue, b"maybe")) for _ in range(20)]
    await asyncio.sleep(0)
    for task in publishing:
        task.cancel()
    await asyncio.gather(*publishing, return_exceptions=True)
    await bus.publish(place.queue, b"sure")
    hand = Hand(ack)
    await bus.consume(place.queue, hand)
    await eventually(lambda: b"sure" in hand.bodies)
    await eventually(is_empty(bus, place.queue))


async def test_what_falls_due_or_is_replayed_in_the_rush_of_others_is_not_passed_over(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    """A message that comes back while others are handed over as they arrive must not wait for the next start."""
    hand = Hand()

    async def act(delivery: Delivery) -> None:
        if delivery.body.startswith(b"late") and delivery.attempt < 4:
            await delivery.retry(SHORT, reason="engine down")
        else:
            await delivery.ack()

    hand.act = act
    await bus.consume(place.queue, hand)
    for n in range(30):
        await bus.publish(place.queue, b"late %d" % n)
        for _ in range(10):
            await bus.publish(place.queue, b"prompt")
    await eventually(lambda: hand.attempts.count(4) == 30)
    assert sorted(hand.attempts.count(attempt) for attempt in (2, 3, 4)) == [30, 30, 30]


async def test_a_queue_is_full_by_bytes_as_well(place: Any, eventually: Eventually) -> None:
    bus = await place.start(limits=Limits(max_bytes=100_000))
    with pytest.raises(Refused, match="full"):
        await publish_until_refused(bus, place.queue, bytes(5000))
    depth = await bus.depth(place.queue)
    assert 10 < depth.ready < 60
    await bus.consume(place.queue, ack)
    await eventually(is_empty(bus, place.queue))
    await bus.publish(place.queue, bytes(5000))


async def test_a_full_queue_does_not_hold_up_the_retries_of_another(place: Any, eventually: Eventually) -> None:
    bus = await place.start(limits=Limits(max_messages=20))
    other = f"{place.queue}.other"
    await bus.declare(other)
    deferred = Hand(lambda delivery: delivery.retry(timedelta(milliseconds=400), reason="engine down"))
    consumer = await bus.consume(place.queue, deferred, prefetch=60)
    # More retries than the full queue takes, and than a broker has in flight at the end of a rung.
    for _ in range(60):
        await bus.publish(place.queue, b"x")
    await eventually(lambda: sum(delivery.settled for delivery in deferred.taken) >= 60)
    await consumer.stop()
    with pytest.raises(Refused, match="full"):
        await publish_until_refused(bus, place.queue)
    hand = Hand(retry_until(2, delay=timedelta(milliseconds=400)))
    await bus.consume(other, hand)
    await bus.publish(other, b"quick")
    await eventually(lambda: hand.attempts == [1, 2])


async def nothing(event: Event) -> None: ...


async def test_a_group_that_is_full_loses_its_oldest_events_and_stands_in_nobodys_way(
    place: Any, eventually: Eventually
) -> None:
    bus = await place.start(limits=Limits(max_messages=10))
    slow, quick, event = f"{place.queue}.slow", f"{place.queue}.quick", f"Event{place.queue}"
    heard: list[bytes] = []

    async def hear(event: Event) -> None:
        heard.append(event.payload)

    consumer = await bus.subscribe([event], nothing, group=slow)
    await consumer.stop()
    await bus.subscribe([event], hear, group=quick)
    payloads = [b"%d" % number for number in range(25)]
    for payload in payloads:
        await bus.emit(Event(event, payload))
    await eventually(lambda: heard == payloads)

    async def has_dropped() -> bool:
        depth = await bus.depth(f"events.{slow}")
        return bool(depth.ready == 10 and depth.dead == 10)

    await eventually(has_dropped)
    letters = await bus.dead_letters(f"events.{slow}")
    assert {letter.reason for letter in letters} == {"dropped: its queue was full, and it was the oldest there"}
    assert [letter.body for letter in letters] == payloads[5:15], "the dead letters of events have the same bound"
    left: list[bytes] = []

    async def hear_the_rest(event: Event) -> None:
        left.append(event.payload)

    await bus.consume(f"events.{slow}", heard_again(left))
    await eventually(lambda: left == payloads[15:])


def heard_again(left: list[bytes]) -> Callable[[Delivery], Awaitable[None]]:
    async def take(delivery: Delivery) -> None:
        left.append(delivery.body)
        await delivery.ack()

    return take


async def test_a_group_that_is_named_no_more_hears_nothing_and_leaves_what_it_has_to_others(
    place: Any, eventually: Eventually
) -> None:
    service = place.queue.replace(".", "-")
    kept, gone = f"Kept{service}", f"Gone{service}"
    first = await place.start()
    old = await first.subscribe([kept, gone], nothing, group=f"{service}.old")
    await old.stop()
    await first.reconcile_groups(service, {f"{service}.old": [kept, gone]})
    for event in (kept, gone):
        await first.emit(Event(event, b"1"))
    await first.close()

    bus = await place.start()
    heard: list[tuple[str, bytes]] = []

    async def hear(event: Event) -> None:
        heard.append((event.name, event.payload))

    rows = {f"{service}.new": [kept]}
    await bus.subscribe([kept], hear, group=f"{service}.new")
    await bus.reconcile_groups(service, rows)
    await eventually(lambda: heard == [(kept, b"1")])
    [letter] = await bus.dead_letters(f"events.{service}.new")
    assert (letter.body, dict(letter.headers)) == (b"1", {"event": gone})
    assert letter.reason.startswith(f"no group of the service hears {gone} any more")
    for event in (kept, gone):
        await bus.emit(Event(event, b"2"))
    await eventually(lambda: heard == [(kept, b"1"), (kept, b"2")])
    depth = await bus.depth(f"events.{service}.old")
    assert (depth.ready, depth.pending, depth.dead) == (0, 0, 0)
    await bus.reconcile_groups(service, rows)
    assert len(heard) == 2


async def test_the_dead_letters_and_retries_of_a_group_that_is_no_more_are_not_lost(
    place: Any, eventually: Eventually
) -> None:
    service = place.queue.replace(".", "-")
    event = f"Event{service}"
    old = f"events.{service}.old"
    first = await place.start()
    consumer = await first.subscribe([event], nothing, group=f"{service}.old")
    await consumer.stop()
    await first.emit(Event(event, b"dead"))
    await kill_the_dead_of(first, old, eventually)
    await first.emit(Event(event, b"delayed"))
    delayed = Hand(lambda delivery: delivery.retry(timedelta(milliseconds=400), reason="again"))
    consumer = await first.consume(old, delayed)
    await eventually(lambda: delayed.taken and delayed.taken[0].settled)
    await consumer.stop()
    await first.close()

    bus = await place.start()
    hand = Hand(ack)
    await bus.subscribe([event], nothing, group=f"{service}.new")
    rows, former = {f"{service}.new": [event]}, {f"{service}.old": [event]}
    moved = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        moved.set()
        await delivery.ack()

    hand.act = hear

    async def done() -> bool:
        await bus.reconcile_groups(service, rows, former=former)
        depth = await bus.depth(old)
        return (depth.ready, depth.pending, depth.dead) == (0, 0, 0) and not (
            await bus.depth(f"events.{service}.new")
        ).ready

    await eventually(done)
    [letter] = await bus.dead_letters(f"events.{service}.new")
    assert (letter.body, letter.reason) == (b"dead", "poison")


async def kill_the_dead_of(bus: Bus, queue: str, eventually: Eventually) -> None:
    consumer = await bus.consume(queue, Hand(bury("poison")))
    await eventually(has_dead(bus, queue, 1))
    await consumer.stop()


async def test_a_group_of_an_older_version_that_still_consumes_is_left_alone(
    place: Any, eventually: Eventually
) -> None:
    service = place.queue.replace(".", "-")
    event = f"Event{service}"
    bus = await place.start()
    heard: list[str] = []

    def hear(name: str) -> Callable[[Event], Awaitable[None]]:
        async def act(event: Event) -> None:
            heard.append(name)

        return act

    older = await bus.subscribe([event], hear("old"), group=f"{service}.old")
    await bus.reconcile_groups(service, {f"{service}.old": [event]})
    await bus.subscribe([event], hear("new"), group=f"{service}.new")
    await bus.reconcile_groups(service, {f"{service}.new": [event]})
    await bus.emit(Event(event, b"1"))
    await eventually(lambda: sorted(heard) == ["new", "old"])
    await older.stop()

    async def hears_no_more() -> bool:
        await bus.reconcile_groups(service, {f"{service}.new": [event]})
        heard.clear()
        await bus.emit(Event(event, b"2"))
        return bool((await bus.depth(f"events.{service}.old")).ready == 0)

    await eventually(hears_no_more)
    await eventually(lambda: heard == ["new"])


async def test_what_another_service_hears_is_none_of_its_business(bus: Bus, place: Any, eventually: Eventually) -> None:
    service, event = place.queue.replace(".", "-"), f"Event{place.queue}"
    stopped = await bus.subscribe([event], nothing, group=f"{service}s.row")
    await stopped.stop()
    await bus.subscribe([event], nothing, group=f"{service}.row")
    await bus.reconcile_groups(f"{service}s", {f"{service}s.row": [event]})
    await bus.reconcile_groups(service, {f"{service}.row": [event]})
    await bus.emit(Event(event, b"1"))
    assert (await bus.depth(f"events.{service}s.row")).ready == 1


HOLD_UNTIL_KILLED = """
import asyncio, os, sys
from pathlib import Path
from libs.bus.embedded import EmbeddedBus
from libs.bus.rabbitmq import RabbitBus

async def hold(delivery):
    os.write(1, (delivery.body.decode() + "\\n").encode())
    if delivery.body.startswith(b"poison"):
        os.kill(os.getpid(), 9)
    await asyncio.sleep(float(sys.argv[3]))
    await delivery.ack()

async def main():
    url = sys.argv[1]
    path = Path(url.removeprefix("embedded:"))
    bus = RabbitBus(url, delivery_limit=2) if "//" in url else EmbeddedBus(path, delivery_limit=2)
    await bus.start()
    await bus.consume(sys.argv[2], hold, prefetch=50)
    print("it consumes", flush=True)
    await asyncio.sleep(90)

asyncio.run(main())
"""


async def run_until_killed(place: Any, *, seconds: float, lines: int = 0) -> list[str]:
    """A consumer that dies of poison, or is killed after so many messages, or when nothing more comes.

    Returns what it had in hand.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD_UNTIL_KILLED, place.url, place.queue, str(seconds), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    seen: list[str] = []
    patience = 60  # the process has to start first
    with contextlib.suppress(TimeoutError):
        while not lines or len(seen) < lines:
            async with asyncio.timeout(patience):
                line = (await process.stdout.readline()).decode().strip()
            if not line:
                break
            if " " not in line:
                seen.append(line)
            elif not lines:
                patience = 12
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
    return seen


async def test_a_message_that_kills_its_process_is_buried_alone_and_its_neighbours_never(
    place: Any, eventually: Eventually
) -> None:
    first = await place.start()
    bodies = {b"innocent-%d" % number for number in range(40)}
    poison = {b"poison-1", b"poison-2"}
    for body in sorted(bodies) + sorted(poison):
        await first.publish(place.queue, body)
    await first.close()
    # The first crash takes all of them along, the others one alone, until it is given up; the last has no poison.
    died_of = [await run_until_killed(place, seconds=0) for _ in range(6)]
    assert [[body for body in seen if body.startswith("poison")][:1] for seen in died_of[1:]] == [
        ["poison-1"],
        ["poison-1"],
        ["poison-2"],
        ["poison-2"],
        [],
    ]
    bus = await place.start()
    assert {letter.body for letter in await bus.dead_letters(place.queue)} == poison
    assert all("alone" in letter.reason for letter in await bus.dead_letters(place.queue))
    assert bodies <= {body.encode() for seen in died_of for body in seen}
    assert await is_empty_but_for(bus, place.queue, dead=2)


async def is_empty_but_for(bus: Bus, queue: str, *, dead: int) -> bool:
    depth = await bus.depth(queue)
    return (depth.ready, depth.pending, depth.dead) == (0, 0, dead)


async def test_consumers_that_vanish_with_all_that_they_hold_bury_nothing(place: Any, eventually: Eventually) -> None:
    first = await place.start()
    bodies = {b"%d" % number for number in range(50)}
    for body in sorted(bodies):
        await first.publish(place.queue, body)
    await first.close()
    held = [await run_until_killed(place, seconds=60, lines=lines) for lines in (50, 1, 1)]
    assert [len(bodies) for bodies in held] == [50, 1, 1], "after a crash one at a time"
    bus = await place.start()
    hand = Hand(ack)
    await bus.consume(place.queue, hand)
    await eventually(lambda: {delivery.body for delivery in hand.taken} == bodies)
    await eventually(is_empty(bus, place.queue))
    assert len(hand.taken) == 50


async def test_many_dead_letters_go_back_in_bounds_and_at_a_rate(bus: Bus, place: Any, eventually: Eventually) -> None:
    bodies = [b"%d" % number for number in range(30)]
    await kill_the_dead(bus, place.queue, *bodies, b"other", eventually=eventually)

    def matches(letter: DeadLetter) -> bool:
        return letter.body != b"other"

    started = asyncio.get_running_loop().time()
    first = await bus.replay_many(place.queue, matches, limit=20, per_second=100)
    assert asyncio.get_running_loop().time() - started > 0.19
    assert (first.count, first.more) == (20, True)
    second = await bus.replay_many(place.queue, matches, limit=20, per_second=1000)
    assert (second.count, second.more) == (10, False)
    third = await bus.replay_many(place.queue, matches, limit=20, per_second=1000)
    assert (third.count, third.more) == (0, False)
    hand = Hand(ack)
    await bus.consume(place.queue, hand, prefetch=1)
    await eventually(lambda: hand.bodies == bodies)
    assert set(hand.attempts) == {1}
    assert [letter.body for letter in await bus.dead_letters(place.queue)] == [b"other"]


async def test_what_dies_again_while_many_are_replayed_is_not_replayed_again(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    await kill_the_dead(bus, place.queue, *(b"%d" % number for number in range(5)), eventually=eventually)
    hand = Hand(bury("again"))
    await bus.consume(place.queue, hand)
    done = await bus.replay_many(place.queue, lambda _: True, limit=1000, per_second=50)
    assert done.count == 5
    await eventually(has_dead(bus, place.queue, 5))
    assert len(hand.taken) == 5


async def test_the_oldest_message_is_known_while_it_waits_is_in_hand_or_is_to_be_retried(
    bus: Bus, place: Any, eventually: Eventually
) -> None:
    assert await bus.oldest(place.queue) is None
    before = datetime.now(UTC) - timedelta(seconds=1)
    await bus.publish(place.queue, b"x")
    waiting = await bus.oldest(place.queue)
    assert waiting is not None
    hand = Hand()
    consumer = await bus.consume(place.queue, hand)
    await eventually(lambda: hand.taken)
    first_seen = hand.taken[0].first_seen
    assert await bus.oldest(place.queue) == first_seen
    await hand.taken[0].retry(timedelta(milliseconds=400), reason="again")
    await consumer.stop()
    assert before <= first_seen
    assert await bus.oldest(place.queue) == first_seen
    with pytest.raises(Refused):
        await bus.oldest(f"{place.queue}.nowhere")
