"""Junk is expunged by the retention of its domain, mailbox by mailbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from services.store.mailboxes import junk_expiry as module
from services.store.mailboxes.junk_expiry import junk_expiry
from services.store.mailboxes.messages import MailboxUsage
from services.store.mailboxes.mongo_changes import Changed

NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
MONTH, WEEK = timedelta(days=30), timedelta(days=7)


class World:
    """The router, the Junk folders and the usage publisher; each mailbox has `size` old messages."""

    def __init__(self, size: int = 2, broken: str = "") -> None:
        self.size, self.broken = size, broken
        self.expunged: list[tuple[str, datetime]] = []
        self.published: list[str] = []

    async def junk_retentions(self) -> dict[str, timedelta]:
        return {"a.example": MONTH, "b.example": WEEK}

    async def mailboxes_with_junk(self, domain: str) -> list[str]:
        return [f"jean@{domain}", f"marie@{domain}"]

    async def expunge_before(self, mailbox: str, before: datetime) -> AsyncIterator[Changed]:
        if mailbox == self.broken:
            raise LookupError("a bug")
        self.expunged.append((mailbox, before))
        yield Changed(cast(Any, (None,) * self.size), MailboxUsage(mailbox, 0, 0, 1))

    def enqueue(self, usages: Iterable[MailboxUsage]) -> None:
        self.published += [usage.address for usage in usages]


def run(world: World) -> Any:
    return junk_expiry(world, cast(Any, world), cast(Any, world), clock=lambda: NOON)()


async def test_each_domain_has_its_own_retention_and_the_usage_is_published() -> None:
    world = World()
    assert await run(world) == 8
    assert world.expunged == [
        ("jean@a.example", NOON - MONTH),
        ("marie@a.example", NOON - MONTH),
        ("jean@b.example", NOON - WEEK),
        ("marie@b.example", NOON - WEEK),
    ]
    assert world.published == [mailbox for mailbox, _ in world.expunged]


async def test_a_mailbox_that_fails_does_not_hold_up_the_others() -> None:
    world = World(broken="jean@a.example")
    assert await run(world) == 6


async def test_a_round_ends_after_a_bounded_number_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGES", 3)
    world = World()
    assert await run(world) == 4
    assert len(world.expunged) == 2
