"""The automatic whitelist in memory: one query for all waiting messages, and no stale answer after a change."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from libs.bus import Bus as BusPort
from libs.bus import Event
from libs.envelope import Temporary
from libs.events import SenderTrusted
from services.antispam.reputation.automatic_whitelist import AutomaticWhitelist
from services.antispam.reputation.correspondents import Correspondent, CorrespondentKey


class Store:
    """Correspondents in memory, and the sizes of the queries."""

    def __init__(self) -> None:
        self.known: dict[CorrespondentKey, Correspondent] = {}
        self.queries: list[int] = []
        self.away = False

    async def find(
        self, wanted: Collection[CorrespondentKey], now: datetime
    ) -> Mapping[CorrespondentKey, Correspondent]:
        if self.away:
            raise Temporary("away")
        self.queries.append(len(wanted))
        return {one: self.known[one] for one in wanted if one in self.known}

    async def record(self, wanted: Collection[CorrespondentKey], *, validated: bool, now: datetime) -> None:
        for one in wanted:
            self.known[one] = Correspondent(validated, int(not validated))


class Bus:
    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit(self, event: Event) -> None:
        self.events.append(event)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def some(store: Store, *, capacity: int = 100) -> tuple[Any, Bus, Clock]:
    bus, clock = Bus(), Clock()
    made = AutomaticWhitelist(
        store,
        cast("BusPort", bus),
        capacity=capacity,
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        monotonic=clock,
    )
    return made, bus, clock


async def test_messages_in_hand_share_a_query_and_later_ones_need_none() -> None:
    store = Store()
    store.known[CorrespondentKey("a.example", "0@x.example")] = Correspondent(True, 0)
    correspondents, _, clock = some(store)
    for _ in range(2):
        found = await asyncio.gather(*(correspondents.find("a.example", f"{n}@x.example") for n in range(50)))
        assert [bool(one) for one in found] == [True] + [False] * 49
    assert store.queries == [50]
    clock.now = 100  # a stranger may have become known in a minute, a friend stays one for longer
    await asyncio.gather(*(correspondents.find("a.example", f"{n}@x.example") for n in range(2)))
    assert store.queries == [50, 1]


async def test_a_change_is_known_at_once_here_and_told_to_the_others() -> None:
    store = Store()
    here, bus, _ = some(store)
    there, _, _ = some(store)
    assert [await one.find("a.example", "x@b.example") for one in (here, there)] == [None, None]
    wanted = ["x@b.example", "x@b.example", "me@a.example", ""]
    assert await here.record("a.example", wanted) == ["x@b.example"]
    assert await here.find("a.example", "x@b.example") is not None
    there.sender_trusted(SenderTrusted.from_bus(bus.events[0]))
    assert await there.find("a.example", "x@b.example") is not None
    assert await there.find("c.example", "x@b.example") is None


async def test_an_answer_that_a_change_overtook_is_not_kept() -> None:
    store = Store()
    correspondents, _, _ = some(store)
    wanted, gate = CorrespondentKey("a.example", "x@b.example"), asyncio.Event()
    find = store.find

    async def slowly(asked: Collection[CorrespondentKey], now: datetime) -> Mapping[CorrespondentKey, Correspondent]:
        found = await find(asked, now)
        await gate.wait()
        return found

    store.find = slowly  # type: ignore[method-assign, assignment]
    asking = asyncio.create_task(correspondents.find("a.example", "x@b.example"))
    while not store.queries:
        await asyncio.sleep(0)
    store.known[wanted] = Correspondent(True, 0)
    correspondents.sender_trusted(SenderTrusted(domain="a.example", addresses=["x@b.example"]))
    gate.set()
    assert await asking is None
    assert await correspondents.find("a.example", "x@b.example") == Correspondent(True, 0)


async def test_a_database_that_is_away_is_left_alone_for_a_moment() -> None:
    store = Store()
    correspondents, _, clock = some(store)
    store.away = True
    with pytest.raises(Temporary, match="away"):
        await correspondents.find("a.example", "x@b.example")
    store.away = False
    with pytest.raises(Temporary, match="a moment ago"):
        await correspondents.find("a.example", "y@b.example")
    clock.now = 6
    assert await correspondents.find("a.example", "x@b.example") is None


async def test_memory_is_bounded() -> None:
    store = Store()
    correspondents, _, _ = some(store, capacity=10)
    for n in (*range(20), 19, 0):
        await correspondents.find("a.example", f"{n}@x.example")
    assert len(store.queries) == 21
