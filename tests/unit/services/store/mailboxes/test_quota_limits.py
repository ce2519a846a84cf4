"""Limits that quota answers: remembered, shared by a crowd, and no obstacle to mail while quota is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import cast

import pytest
from structlog.testing import capture_logs

from libs.envelope import Temporary
from libs.neighbours import QuotaClient
from libs.neighbours.quota import MAX_LIMITS
from services.store.mailboxes.quota_limits import RETRY_AFTER, QuotaLimits

JEAN, MARIE = "jean@example.org", "marie@example.org"
KEEP = timedelta(seconds=60)


class Quota:
    """Answers with `limits` of the moment it is asked, once `answering` is set."""

    def __init__(self) -> None:
        self.limit: int | None = 100
        self.away = False
        self.asked: list[list[str]] = []
        self.answering = asyncio.Event()
        self.answering.set()

    async def limits(self, addresses: Sequence[str]) -> Mapping[str, int]:
        self.asked.append(list(addresses))
        limit = self.limit
        await self.answering.wait()
        if self.away:
            raise Temporary("quota is away")
        return {} if limit is None else dict.fromkeys(addresses, limit)


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.quota = Quota()
        self.limits = QuotaLimits(cast(QuotaClient, self.quota), keep=KEEP, monotonic=lambda: self.now)

    async def of(self, address: str) -> int | None:
        return (await self.limits.of([address]))[address]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.limits.close()


async def test_a_limit_is_asked_for_again_when_it_is_old(world: World) -> None:
    assert [await world.of(JEAN), await world.of(JEAN)] == [100, 100]
    assert len(world.quota.asked) == 1
    world.now, world.quota.limit = KEEP.total_seconds() + 1, 200
    assert await world.of(JEAN) == 200


async def test_that_a_mailbox_has_no_limit_is_remembered_too(world: World) -> None:
    world.quota.limit = None
    assert [await world.of(JEAN), await world.of(JEAN)] == [None, None]
    assert len(world.quota.asked) == 1


async def test_messages_that_come_together_ask_once(world: World) -> None:
    world.quota.answering.clear()
    crowd = [asyncio.create_task(world.of(JEAN)) for _ in range(10)]
    await asyncio.sleep(0)
    world.quota.answering.set()
    assert set(await asyncio.gather(*crowd)) == {100}
    assert world.quota.asked == [[JEAN]]


async def test_many_mailboxes_are_asked_for_in_pieces(world: World) -> None:
    addresses = [f"a{number}@example.org" for number in range(MAX_LIMITS + 1)]
    assert len(await world.limits.of(addresses)) == MAX_LIMITS + 1
    assert [len(asked) for asked in world.quota.asked] == [MAX_LIMITS, 1]


async def test_while_quota_is_away_the_last_limit_counts_and_quota_is_not_asked_again_and_again(world: World) -> None:
    assert await world.of(JEAN) == 100
    world.now, world.quota.away = KEEP.total_seconds() + 1, True
    with capture_logs() as logs:
        assert [await world.of(JEAN), await world.of(JEAN), await world.of(MARIE)] == [100, 100, None]
    assert [entry["event"] for entry in logs] == ["limits_unknown"]
    assert len(world.quota.asked) == 2
    world.now += RETRY_AFTER
    world.quota.away = False
    assert await world.of(MARIE) == 100


@pytest.mark.parametrize("changed", [JEAN, "@example.org"])
async def test_a_change_is_asked_for_and_an_answer_that_it_overtook_is_not_kept(world: World, changed: str) -> None:
    world.quota.answering.clear()
    waiting = asyncio.create_task(world.of(JEAN))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.limits.forget(changed)
    world.quota.limit = 200
    world.quota.answering.set()
    await waiting
    assert await world.of(JEAN) == 200
    world.quota.limit = 300
    world.limits.forget(changed)
    assert await world.of(JEAN) == 300
    world.limits.forget("@elsewhere.example")
    assert await world.of(JEAN) == 300
    assert len(world.quota.asked) == 3
