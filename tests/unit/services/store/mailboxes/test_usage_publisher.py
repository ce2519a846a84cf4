"""Usage is told soon, seldom, and never not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from libs.bus import Bus, Event
from libs.envelope import Temporary
from libs.events import MailboxUsageChanged
from libs.runtime.periodic import PeriodicRunner
from libs.telemetry import Metrics
from services.store.mailboxes.messages import MailboxUsage
from services.store.mailboxes.usage_publisher import UsagePublisher


class Wire:
    """A bus that keeps what is emitted, and a memory of it. It breaks for the addresses in `broken`."""

    def __init__(self) -> None:
        self.emitted: list[tuple[str, int]] = []
        self.remembered: list[tuple[str, int]] = []
        self.broken: set[str] = set()
        self.lost: list[MailboxUsage] = []

    async def emit(self, event: Event) -> None:
        fact = MailboxUsageChanged.from_bus(event)
        if fact.address in self.broken:
            raise Temporary("broken")
        self.emitted.append((fact.address, fact.version))

    async def mark_published(self, usages: Sequence[MailboxUsage]) -> None:
        self.remembered += [(usage.address, usage.version) for usage in usages]

    async def unpublished(self) -> AsyncIterator[MailboxUsage]:
        for usage in self.lost:
            yield usage


def usage(address: str, version: int) -> MailboxUsage:
    return MailboxUsage(address, version * 10, version, version)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def publisher(wire: Wire) -> UsagePublisher:
    return UsagePublisher(cast(Bus, wire), cast(Any, wire), window=timedelta(0), recheck=timedelta(hours=1))


async def test_many_changes_of_a_mailbox_are_one_event_with_the_newest_totals(
    publisher: UsagePublisher, wire: Wire
) -> None:
    publisher.enqueue([usage("a", 1), usage("a", 3), usage("b", 1), usage("a", 2)])
    await publisher.flush()
    await publisher.flush()
    assert sorted(wire.emitted) == sorted(wire.remembered) == [("a", 3), ("b", 1)]


async def test_what_could_not_be_told_waits_and_newer_totals_take_its_place(
    publisher: UsagePublisher, wire: Wire
) -> None:
    wire.broken = {"a"}
    publisher.enqueue([usage("a", 1), usage("b", 1)])
    with pytest.raises(Temporary):
        await publisher.flush()
    assert wire.remembered == [("b", 1)]
    wire.broken = set()
    publisher.enqueue([usage("a", 2)])
    await publisher.flush()
    assert ("a", 2) in wire.remembered
    assert ("a", 1) not in wire.emitted


async def test_it_runs_by_itself_and_finds_what_a_crash_left_untold(publisher: UsagePublisher, wire: Wire) -> None:
    wire.lost = [usage("lost", 5)]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        tasks = [group.create_task(PeriodicRunner(row, Metrics()).run()) for row in publisher.background]
        while wire.remembered != [("lost", 5)]:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()


async def test_the_last_totals_are_told_at_the_end_even_if_the_bus_is_gone(
    publisher: UsagePublisher, wire: Wire
) -> None:
    publisher.enqueue([usage("a", 1)])
    wire.broken = {"a"}
    await publisher.close()
    wire.broken = set()
    await publisher.close()
    assert wire.emitted == [("a", 1)]


async def test_totals_that_no_event_can_carry_keep_no_others_from_being_told(
    publisher: UsagePublisher, wire: Wire
) -> None:
    publisher.enqueue([usage("\udce9", 1), *(usage(f"a{number}", 1) for number in range(60))])
    await publisher.flush()
    assert len(wire.emitted) == 60
    assert ("\udce9", 1) in wire.remembered
