"""Mail for a mailbox that does not exist: it is created, or the mail waits or goes back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from libs.envelope import Temporary
from services.store.mailboxes.messages import Copy, Summary
from services.store.mailboxes.missing_mailboxes import MissingMailboxes

DELETED = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARIE = "marie@example.org"


class World:
    """The mailboxes, the deletions and the router; `made_at` is when the present account was created."""

    def __init__(self, deleted_at: datetime | None = None, made_at: datetime | Exception | None = None) -> None:
        self.deleted_at, self.answer = deleted_at, made_at
        self.created: list[str] = []
        self.asked = 0

    async def deletion_times(self, addresses: Collection[str]) -> dict[str, datetime]:
        return dict.fromkeys(addresses, self.deleted_at) if self.deleted_at else {}

    async def ensure(self, addresses: Iterable[str]) -> None:
        self.created += addresses

    async def assign(self, address: str, *, made_at: datetime) -> None:
        self.created.append(address)

    async def made_at(self, address: str) -> datetime | None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def a_copy(accepted_at: datetime | None) -> Copy:
    return Copy(MARIE, "inbox", None, Summary("", "", "", "", None), b"", (), 1, DELETED, accepted_at=accepted_at)


async def resolved(world: World, *accepted_at: datetime | None) -> str | None:
    given = cast(Any, world)
    missing = MissingMailboxes(given, given, given)
    return (await missing.resolve([MARIE], [a_copy(moment) for moment in accepted_at])).get(MARIE)


async def test_the_mailbox_of_a_new_account_is_created_without_asking_the_router() -> None:
    world = World()
    assert await resolved(world, DELETED) is None
    assert (world.created, world.asked) == ([MARIE], 0)


async def test_mail_accepted_before_the_deletion_is_undeliverable_without_asking_the_router() -> None:
    world = World(DELETED)
    assert await resolved(world, DELETED - HOUR, DELETED) == "gone"
    assert (world.created, world.asked) == ([], 0)


@pytest.mark.parametrize(
    ("made_at", "state", "created"),
    [
        (None, "gone", []),
        (DELETED + HOUR, None, [MARIE]),
        (DELETED, "unknown", []),  # the router has not processed the deletion yet
        (Temporary("the router is away"), "unknown", []),
    ],
    ids=["no account", "next account", "same account", "router away"],
)
async def test_later_mail_depends_on_the_present_account(
    made_at: datetime | Exception | None, state: str | None, created: list[str]
) -> None:
    world = World(DELETED, made_at)
    assert await resolved(world, DELETED - HOUR, DELETED + HOUR) == state
    assert (world.created, world.asked) == (created, 1)


async def test_an_appended_message_counts_as_the_newest() -> None:
    world = World(DELETED)
    assert await resolved(world, DELETED - HOUR, None) == "gone"
    assert world.asked == 1
