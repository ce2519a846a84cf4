"""What a process knows while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from libs.envelope import Recipient, Temporary
from services.relay.adapters.queue import MongoQueue, Settlement
from services.relay.domain.entries import Entry, State, Transition
from services.relay.outcome_writer import OutcomeWriter

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Database:
    """Away, or not."""

    def __init__(self) -> None:
        self.is_away = False
        self.written: list[str] = []

    async def settle(self, settlements: Sequence[Settlement], **more: Any) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise Temporary("no primary")
        self.written += [settlement.entry.id for settlement in settlements]


def a_verdict(id: str, state: State = State.SENT, fence: str = "f1") -> Settlement:
    entry = Entry(
        id=id, message="m", to=Recipient(address="r@far.example"), destination="far.example", state=State.SENDING,
        attempts=1, created_at=NOW, next_at=NOW, fence=fence,
    )  # fmt: skip
    return Settlement(entry, Transition(state, NOW, "250 ok"))


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def outcomes(database: Database) -> OutcomeWriter:
    return OutcomeWriter(cast(MongoQueue, database), lambda: NOW)


async def test_what_is_written_is_forgotten(outcomes: OutcomeWriter, database: Database) -> None:
    assert await outcomes.write([a_verdict("a"), a_verdict("b")])
    assert (database.written, outcomes.unwritten) == (["a", "b"], 0)


async def test_what_cannot_be_written_is_remembered_until_it_can(outcomes: OutcomeWriter, database: Database) -> None:
    database.is_away = True
    assert not await outcomes.write([a_verdict("a")])
    assert not await outcomes.write([a_verdict("b", State.QUEUED)])
    with pytest.raises(Temporary):
        await outcomes.flush()
    assert (outcomes.accepted("a") is not None, outcomes.accepted("b"), outcomes.fences) == (True, None, {"f1"})
    database.is_away = False
    await outcomes.flush()
    assert (sorted(database.written), outcomes.unwritten, outcomes.accepted("a")) == (["a", "b"], 0, None)


async def test_outcomes_at_the_same_time_share_a_write(outcomes: OutcomeWriter, database: Database) -> None:
    settles = 0
    settle = database.settle

    async def counted(settlements: Sequence[Settlement], **more: Any) -> None:
        nonlocal settles
        settles += 1
        await settle(settlements, **more)

    database.settle = counted  # type: ignore[method-assign]
    await asyncio.gather(*(outcomes.write([a_verdict(f"e{n}")]) for n in range(50)))
    assert (len(database.written), settles <= 3) == (50, True)


async def test_a_later_outcome_of_an_entry_is_not_lost_with_an_earlier_one(
    outcomes: OutcomeWriter, database: Database
) -> None:
    database.is_away = True
    await outcomes.write([a_verdict("a", State.QUEUED, fence="f1")])
    await outcomes.write([a_verdict("a", State.SENT, fence="f2")])
    assert outcomes.accepted("a") is not None
    database.is_away = False
    await outcomes.flush()
    assert (database.written, outcomes.unwritten) == (["a"], 0)
