"""The outbound queue: several replicas, crashes, late answers, and messages with very many recipients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.relay.adapters.bodies import REST
from services.relay.adapters.leases import LEASE
from services.relay.domain.entries import State
from services.relay.domain.reporting import ReportEvent
from tests.integration.relay.conftest import Clock, QueueReplica, a_mail

Replicas = Callable[[], QueueReplica]


async def test_a_message_that_comes_again_for_others_is_sent_to_these_others(replica: Replicas) -> None:
    """As it does when a part of a message is released from the quarantine, and later another part."""
    relay = replica()
    await relay.add("a@far.example")
    await relay.settle(await relay.claim(), State.SENT)
    await relay.add("b@far.example")
    [entry] = await relay.claim()
    assert entry.recipient == "b@far.example"
    assert (await relay.queue.bodies.get(["m1"]))["m1"].raw


async def test_a_message_that_comes_twice_is_queued_once(replica: Replicas) -> None:
    relay = replica()
    await relay.add("a@far.example")
    await relay.add("a@far.example")
    assert len(await relay.claim()) == 1
    await relay.add("a@far.example")
    assert await relay.claim() == []


async def test_an_entry_is_claimed_by_one(replica: Replicas) -> None:
    first, second = replica(), replica()
    await first.add(*(f"r{n}@far.example" for n in range(40)))
    claims = await asyncio.gather(*(each.claim() for each in (first, second) for _ in range(3)))
    ids = [entry.id for claim in claims for entry in claim]
    assert len(ids) == len(set(ids)) == 40


async def test_an_outcome_under_a_lost_lease_changes_nothing(replica: Replicas, clock: Clock) -> None:
    first, second = replica(), replica()
    await first.add("a@far.example")
    late = await first.claim()
    await second.queue.release_all(["r1"], now=clock())
    current = await second.claim()
    await first.settle(late, State.QUEUED)
    assert await first.states() == {"m1:a@far.example": "sending"}
    await second.settle(current, State.FAILED)
    await first.settle(late, State.QUEUED)
    assert await first.states() == {"m1:a@far.example": "failed"}


@pytest.mark.parametrize("when", ["before the next claim", "during it"])
async def test_what_a_late_holder_knows_to_be_taken_is_not_sent_again(
    replica: Replicas, clock: Clock, when: str
) -> None:
    first, second = replica(), replica()
    await first.add("a@far.example")
    late = await first.claim()
    await second.queue.release_all(["r1"], now=clock())
    current = await second.claim() if when == "during it" else []
    await first.settle(late, State.SENT)
    await second.settle(current, State.QUEUED)
    clock.move(timedelta(hours=1))
    assert await second.claim() == []
    assert await second.states() == {"m1:a@far.example": "sent"}


async def test_what_is_taken_meanwhile_is_done_when_its_next_holder_dies(replica: Replicas, clock: Clock) -> None:
    first, second = replica(), replica()
    await first.add("a@far.example")
    late = await first.claim()
    await second.queue.release_all(["r1"], now=clock())
    await second.claim()
    await first.settle(late, State.SENT)
    await first.queue.release_all(["r2"], now=clock())
    assert await first.claim() == []
    assert await first.states() == {"m1:a@far.example": "sent"}


async def test_what_is_given_back_is_due_at_once_and_its_try_does_not_count(replica: Replicas, clock: Clock) -> None:
    relay = replica()
    await relay.add("a@far.example")
    await relay.queue.release(await relay.claim(), now=clock())
    [entry] = await relay.claim()
    assert entry.attempts == 1


async def test_what_a_dead_process_had_is_taken_over_and_its_connections_count_no_more(
    replica: Replicas, clock: Clock
) -> None:
    dead, alive = replica(), replica()
    for each in (dead, alive):
        await each.leases.renew(now=clock())
    await dead.add("a@far.example")
    await dead.claim()
    slots = [await dead.leases.acquire_slot("mx.far.example", limit=2, now=clock()) for _ in range(2)]
    assert all(slots)
    assert await alive.leases.acquire_slot("mx.far.example", limit=2, now=clock()) is None
    found = []
    for _ in range(3):
        clock.move(LEASE / 2)
        found.append(await alive.look_after_the_dead())
    assert found == [[], ["r1"], []]
    assert len(await alive.claim()) == 1
    assert await alive.leases.acquire_slot("mx.far.example", limit=2, now=clock())


async def test_a_process_that_was_away_itself_waits_before_it_takes_others_for_dead(
    replica: Replicas, clock: Clock
) -> None:
    """After an outage of the database everybody's lease is over, and everybody has outcomes to write down."""
    first, second = replica(), replica()
    for each in (first, second):
        await each.leases.renew(now=clock())
    await first.add("a@far.example")
    late = await first.claim()
    clock.move(10 * LEASE)
    assert not first.leases.is_valid
    assert await second.look_after_the_dead() == []
    await first.settle(late, State.SENT)
    await first.leases.renew(now=clock())
    clock.move(LEASE / 2)
    for each in (first, second):
        assert await each.look_after_the_dead() == []
    clock.move(LEASE / 2)
    assert await second.look_after_the_dead() == []
    assert await first.states() == {"m1:a@far.example": "sent"}


async def test_connections_of_all_processes_count_together(replica: Replicas, clock: Clock) -> None:
    processes = [replica() for _ in range(3)]
    asked = [each.leases.acquire_slot("site", limit=5, now=clock()) for each in processes for _ in range(10)]
    slots = [slot for slot in await asyncio.gather(*asked) if slot]
    assert len(slots) == 5
    await processes[0].leases.release_slot("site", slots[0])
    assert await processes[2].leases.acquire_slot("site", limit=5, now=clock())


async def test_a_message_for_thousands_lets_others_pass(replica: Replicas) -> None:
    relay = replica()
    await relay.add(*(f"r{n}@far.example" for n in range(20_000)), id="big")
    await relay.add("a@far.example", id="small")
    claims = [await relay.claim() for _ in range(2)]
    assert "small" in {entry.message for entry in claims[0]}
    assert len(claims[1]) == 100
    await relay.add("b@far.example", id="later")
    assert {entry.message for entry in await relay.claim(bulk_first=True)} >= {"big"}
    assert "later" in {entry.message for entry in await relay.claim()}


async def test_an_odd_recipient_does_not_fail_the_others(replica: Replicas) -> None:
    relay = replica()
    await relay.add("postmaster", "a@far.example", "x@-.example", "a> NOTIFY=NEVER <b@far.example", id="m1")
    assert [entry.recipient for entry in await relay.claim()] == ["a@far.example"]
    odd = await relay.claim("invalid")
    assert {entry.recipient for entry in odd} == {"postmaster", "x@-.example", "a> NOTIFY=NEVER <b@far.example"}
    assert all(entry.to.failure.startswith("5.1.3 ") for entry in odd)


async def test_destinations_with_something_due_are_found_by_destination_and_not_by_entry(
    replica: Replicas, clock: Clock
) -> None:
    relay = replica()
    await relay.add(*(f"r{n}@far.example" for n in range(300)), id="big")
    await relay.add("a@near.example", "a@held.example", id="small")
    await relay.views.suspend("held.example", suspended=True)
    assert await relay.queue.ready(now=clock()) == {"far.example", "near.example"}
    await relay.settle(await relay.claim("near.example"), State.QUEUED)
    assert await relay.queue.ready(now=clock()) == {"far.example"}
    clock.move(timedelta(minutes=6))
    assert await relay.queue.ready(now=clock()) == {"far.example", "near.example"}
    plan = await relay.queue.explain_ready()
    assert "DISTINCT_SCAN" in str(plan)


async def test_a_message_goes_with_its_last_entry_and_not_by_a_clock(replica: Replicas, clock: Clock) -> None:
    relay = replica()
    await relay.add("a@far.example", "b@near.example")
    clock.move(timedelta(days=100))
    await relay.queue.bodies.collect(now=clock())
    await relay.settle(await relay.claim(), State.SENT)
    for _ in range(2):
        await relay.queue.bodies.collect(now=clock())
        clock.move(2 * REST)
    assert await relay.queue.bodies.get(["m1"])
    await relay.settle(await relay.claim("near.example"), State.FAILED, tell=ReportEvent.FAILED)
    for _ in range(2):
        await relay.queue.bodies.collect(now=clock())
        clock.move(2 * REST)
    assert await relay.queue.bodies.get(["m1"]), "the notification needs it"
    [[due]] = await relay.reports.claim(now=clock())
    await relay.reports.mark_sent([due], now=clock())
    for _ in range(2):
        await relay.queue.bodies.collect(now=clock())
        clock.move(2 * REST)
    assert not await relay.queue.bodies.get(["m1"])


async def test_an_addition_to_a_message_that_is_done_keeps_its_bytes(replica: Replicas, clock: Clock) -> None:
    relay = replica()
    await relay.add("a@far.example")
    await relay.settle(await relay.claim(), State.SENT)
    await relay.queue.bodies.collect(now=clock())
    clock.move(2 * REST)
    # The addition has written the message, and not yet its entries, when the collector comes.
    await relay.queue.bodies.add([a_mail("b@far.example")])
    await relay.queue.bodies.collect(now=clock())
    assert await relay.queue.bodies.get(["m1"])


async def test_a_message_of_a_process_that_died_in_time_is_found_by_looking_through(
    replica: Replicas, clock: Clock
) -> None:
    first, second = replica(), replica()
    await first.add("a@far.example")
    await first.settle(await first.claim(), State.SENT)
    await second.add("b@far.example", id="m2")
    assert [id for id, _ in await second.queue.bodies.page("")] == ["m1", "m2"]
    for _ in range(2):
        await second.queue.bodies.collect(now=clock())
        clock.move(2 * REST)
    assert set(await second.queue.bodies.get(["m1", "m2"])) == {"m2"}


async def test_a_report_is_due_with_its_outcome_and_is_the_same_letter_each_time(
    replica: Replicas, clock: Clock
) -> None:
    relay = replica()
    await relay.add(*(f"r{n}@far.example" for n in range(3)))
    await relay.settle(await relay.claim(), State.FAILED, tell=ReportEvent.FAILED)
    [letter] = await relay.reports.claim(now=clock())
    assert len(letter) == 3
    assert await relay.reports.claim(now=clock()) == [], "it is in flight"
    clock.move(timedelta(minutes=6))
    [again] = await relay.reports.claim(now=clock())
    assert [due.report.group for due in again] == [due.report.group for due in letter]
    await relay.reports.mark_sent(again, now=clock())
    clock.move(timedelta(days=1))
    assert await relay.reports.claim(now=clock()) == []
    assert set((await relay.states()).values()) == {"failed"}


async def test_a_failure_overtakes_a_delay_that_was_not_told_yet(replica: Replicas, clock: Clock) -> None:
    relay = replica()
    await relay.add("a@far.example")
    await relay.settle(await relay.claim(), State.QUEUED, tell=ReportEvent.DELAYED)
    [delayed] = await relay.reports.claim(now=clock())
    clock.move(timedelta(minutes=6))
    await relay.settle(await relay.claim(), State.FAILED, tell=ReportEvent.FAILED)
    await relay.reports.mark_sent(delayed, now=clock())
    [failed] = await relay.reports.claim(now=clock())
    assert [due.report.event for due in failed] == [ReportEvent.FAILED]


async def test_a_claim_of_which_the_answer_was_lost_is_found_and_given_back(replica: Replicas, clock: Clock) -> None:
    first, second = replica(), replica()
    await first.add("a@far.example")
    [entry] = await first.claim()
    assert await first.queue.fences() == {entry.fence}
    assert await second.queue.fences() == set()
    await first.queue.release_fences({entry.fence}, now=clock())
    [again] = await second.claim()
    assert (again.id, again.attempts) == (entry.id, 1)
