"""Events of accounts and limits change the mailboxes of canonical addresses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from libs.events import AccountChanged, AccountDeleted, QuotaChanged
from services.store.accounts import Accounts

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
MARIE = "marie@example.org"


class World:
    """All adapters, which record the calls."""

    def __init__(self, former: bool = False) -> None:
        self.former = former
        self.calls: list[tuple[Any, ...]] = []

    async def ensure(self, addresses: Iterable[str]) -> None:
        self.calls.append(("ensure", *addresses))

    async def assign(self, address: str, *, made_at: datetime) -> None:
        self.calls.append(("assign", address, made_at))

    async def deletion_times(self, addresses: Iterable[str]) -> dict[str, datetime]:
        return dict.fromkeys(addresses, NOON) if self.former else {}

    async def delete_account(self, address: str, deleted_at: datetime | None = None, **given: Any) -> None:
        self.calls.append(("delete", address, deleted_at or given["before"]))

    def forget(self, address: str) -> None:
        self.calls.append(("forget", address))


def accounts(world: World) -> Accounts:
    given = cast(Any, world)
    return Accounts(given, given, given, given, lambda: NOON)


@pytest.mark.parametrize(
    ("event", "former", "calls"),
    [
        (AccountChanged(address="Marie@Example.org", made_at=NOON), False, [("assign", MARIE, NOON)]),
        (AccountChanged(address=MARIE), False, [("ensure", MARIE)]),
        (AccountChanged(address=MARIE), True, []),
    ],
    ids=["with a creation time", "of an older router", "of an older router, after a deletion"],
)
async def test_a_new_account_gets_its_mailbox(event: AccountChanged, former: bool, calls: list[Any]) -> None:
    world = World(former)
    await accounts(world).account_event(event)
    assert world.calls == calls


@pytest.mark.parametrize("deleted_at", [NOON - timedelta(hours=1), None])
async def test_a_deleted_account_loses_its_mailbox_and_its_quarantined_mail(deleted_at: datetime | None) -> None:
    world = World()
    await accounts(world).account_event(AccountDeleted(address="Marie@Example.org", deleted_at=deleted_at))
    assert world.calls == [("delete", MARIE, deleted_at or NOON)] * 2


@pytest.mark.parametrize(("address", "forgotten"), [("Marie@Example.org", MARIE), ("@example.org", "@example.org")])
async def test_a_changed_limit_is_forgotten_for_an_address_or_a_domain(address: str, forgotten: str) -> None:
    world = World()
    await accounts(world).quota_changed(QuotaChanged(address=address))
    assert world.calls == [("forget", forgotten)]
