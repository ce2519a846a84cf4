"""What a process knows while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from libs.envelope import Recipient, Temporary
from services.relay.adapters.queue import MongoQueue, Verdict
from services.relay.domain.entries import Entry, Next, State
from services.relay.ledger import Ledger

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Database:
    """Away, or not."""

    def __init__(self) -> None:
        self.is_away = False
        self.written: list[str] = []

    async def settle(self, verdicts: Sequence[Verdict], **more: Any) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise Temporary("no primary")
        self.written += [verdict.entry.id for verdict in verdicts]


def a_verdict(id: str, state: State = State.SENT, fence: str = "f1") -> Verdict:
    entry = Entry(
        id=id, message="m", to=Recipient(address="r@far.example"), destination="far.example", state=State.SENDING,
        attempts=1, created_at=NOW, next_at=NOW, fence=fence,
    )  # fmt: skip
    return Verdict(entry, Next(state, NOW, "250 ok"))


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(cast(MongoQueue, database), lambda: NOW)


async def test_what_is_written_is_forgotten(ledger: Ledger, database: Database) -> None:
    assert await ledger.write([a_verdict("a"), a_verdict("b")])
    assert (database.written, ledger.unwritten) == (["a", "b"], 0)


async def test_what_cannot_be_written_is_remembered_until_it_can(ledger: Ledger, database: Database) -> None:
    database.is_away = True
    assert not await ledger.write([a_verdict("a")])
    assert not await ledger.write([a_verdict("b", State.QUEUED)])
    with pytest.raises(Temporary):
        await ledger.flush()
    assert (ledger.taken("a") is not None, ledger.taken("b"), ledger.fences) == (True, None, {"f1"})
    database.is_away = False
    await ledger.flush()
    assert (sorted(database.written), ledger.unwritten, ledger.taken("a")) == (["a", "b"], 0, None)


async def test_outcomes_at_the_same_time_share_a_write(ledger: Ledger, database: Database) -> None:
    settles = 0
    settle = database.settle

    async def counted(verdicts: Sequence[Verdict], **more: Any) -> None:
        nonlocal settles
        settles += 1
        await settle(verdicts, **more)

    database.settle = counted  # type: ignore[method-assign]
    await asyncio.gather(*(ledger.write([a_verdict(f"e{n}")]) for n in range(50)))
    assert (len(database.written), settles <= 3) == (50, True)


async def test_a_later_outcome_of_an_entry_is_not_lost_with_an_earlier_one(ledger: Ledger, database: Database) -> None:
    database.is_away = True
    await ledger.write([a_verdict("a", State.QUEUED, fence="f1")])
    await ledger.write([a_verdict("a", State.SENT, fence="f2")])
    assert ledger.taken("a") is not None
    database.is_away = False
    await ledger.flush()
    assert (database.written, ledger.unwritten) == (["a"], 0)
