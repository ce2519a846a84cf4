"""Rounds of emptying Junk are bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from services.store.adapters.mongo_changes import Changed
from services.store.domain.messages import Message, Summary, Usage
from services.store.junk import MOST, old_junk

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
STEP = 1000  # messages that go at a time


class Folders:
    """A domain with more old junk than one round takes."""

    def __init__(self) -> None:
        self.left = MOST + 3 * STEP
        self.before: set[datetime] = set()

    async def by_domain(self) -> Mapping[str, timedelta]:
        return {"example.org": timedelta(days=30)}

    async def expunged(self, domain: str, before: datetime) -> AsyncIterator[Changed]:
        self.before.add(before)
        message = Message("1", domain, "junk", 1, 1, Summary("", "", "", "", None), 1, (), NOON, "", b"", ())
        while self.left:
            self.left -= STEP
            yield Changed((message,) * STEP, Usage(domain, self.left, self.left, MOST - self.left))

    def changed(self, usages: Iterable[Usage]) -> None:
        self.told = list(usages)


async def test_a_round_ends_after_so_many_messages_and_the_next_one_goes_on() -> None:
    folders = Folders()
    work = old_junk(folders, folders, folders, clock=lambda: NOON)
    assert [await work(), await work(), await work()] == [MOST, 3 * STEP, 0]
    assert folders.before == {NOON - timedelta(days=30)}
    assert folders.told[0].used_bytes == 0
