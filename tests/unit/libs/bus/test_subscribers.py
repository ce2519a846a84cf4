"""Broadcast events are handled in their order, one that fails stops no other; names of queues of groups."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from libs.bus.ports import Event
from libs.bus.subscribers import MAX_QUEUED_EVENTS, BroadcastSubscriber, group_queue, is_group_queue, successors
from tests.waiting import eventually


class Listener:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.going = asyncio.Event()
        self.going.set()

    async def handle(self, event: Event) -> None:
        await self.going.wait()
        self.heard.append(event.payload)
        if event.payload == b"bad":
            raise ValueError("a bug")


async def test_events_are_handled_in_order_and_those_of_other_names_are_not() -> None:
    listener = Listener()
    subscriber = BroadcastSubscriber(["known"], listener.handle)
    with capture_logs() as logs:
        for name, body in (("known", b"1"), ("other", b"2"), ("known", b"bad"), ("known", b"3")):
            subscriber.put(Event(name, body))
        await eventually(lambda: len(listener.heard) == 3)
        await subscriber.cancel()
    assert listener.heard == [b"1", b"bad", b"3"]
    assert [entry["event"] for entry in logs] == ["event_handler_raised"]


async def test_a_stopped_subscriber_finishes_the_event_in_flight_alone() -> None:
    listener = Listener()
    listener.going.clear()
    subscriber = BroadcastSubscriber(["known"], listener.handle)
    for body in (b"1", b"2"):
        subscriber.put(Event("known", body))
    await asyncio.sleep(0)
    await subscriber.stop()
    listener.going.set()
    await eventually(lambda: bool(listener.heard))
    await asyncio.sleep(0)
    assert listener.heard == [b"1"]
    await subscriber.cancel()


async def test_a_subscriber_that_is_far_behind_loses_the_oldest_events() -> None:
    listener = Listener()
    listener.going.clear()
    subscriber = BroadcastSubscriber(["known"], listener.handle)
    for number in range(MAX_QUEUED_EVENTS + 5):
        subscriber.put(Event("known", b"%d" % number))
    listener.going.set()
    await eventually(lambda: len(listener.heard) == MAX_QUEUED_EVENTS)
    assert listener.heard[0] == b"5"
    await subscriber.cancel()


def test_queues_of_groups_are_told_from_queues_of_mail() -> None:
    assert is_group_queue(group_queue("router"))
    assert not is_group_queue("mail.router")


def test_the_events_of_a_retired_group_go_to_the_groups_that_handle_them() -> None:
    rows = {"a": ["mail_judged", "junk_moved"], "b": ["junk_moved"]}
    assert successors(rows, "junk_moved") == [group_queue("a"), group_queue("b")]
    assert successors(rows, "unknown") == []
