"""Limits asked of a real quota, and what counts when it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from libs.events import AccountChanged
from libs.http import Client
from libs.runtime import Shared
from services.quota import app as quota_app
from services.store.adapters.quota_limits import GRACE, REMEMBERED, QuotaLimits
from tests.integration.store.building import JEAN, MARIE
from tests.integration.store.conftest import running

KEEP = timedelta(minutes=5)


class Clock:
    """Seconds, as told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def limits(port_base: int, clock: Clock) -> AsyncIterator[QuotaLimits]:
    """Of a quota on its port, whether it runs or not."""
    client = Client(f"http://127.0.0.1:{8006 + port_base}", token=lambda: "token-of-service")
    limits = QuotaLimits(client, keep=KEEP, monotonic=clock)
    yield limits
    await limits.close()
    await client.close()


async def give(shared: Shared, port_base: int, address: str, limit: int) -> None:
    """Returns when quota answers with the new limit."""
    await shared.bus.emit(AccountChanged(address=address, quota_bytes=limit).to_bus())
    token = {"Authorization": "Bearer token-of-admin"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{8006 + port_base}", headers=token) as http:
        async with asyncio.timeout(20):
            while (await http.get(f"/v1/usage/{address}")).json().get("limit_bytes") != limit:
                await asyncio.sleep(0.02)


async def test_a_limit_is_believed_for_a_while_and_asked_again_when_it_changed(
    limits: QuotaLimits, clock: Clock, shared: Shared, port_base: int
) -> None:
    async with running(quota_app, shared, port_base=port_base):
        await give(shared, port_base, MARIE, 1000)
        assert await limits.of([MARIE, MARIE]) == {MARIE: 1000}
        await give(shared, port_base, MARIE, 2000)
        assert await limits.of([MARIE]) == {MARIE: 1000}
        limits.forget(MARIE)
        assert await limits.of([MARIE]) == {MARIE: 2000}
        await give(shared, port_base, MARIE, 3000)
        clock.now += KEEP.total_seconds()
        assert await limits.of([MARIE]) == {MARIE: 3000}


async def test_with_quota_away_the_last_known_limit_counts_or_none_and_it_is_asked_again_later(
    limits: QuotaLimits, clock: Clock, shared: Shared, port_base: int
) -> None:
    async with running(quota_app, shared, port_base=port_base):
        await give(shared, port_base, MARIE, 1000)
        await give(shared, port_base, JEAN, 500)
        assert await limits.of([MARIE]) == {MARIE: 1000}
    limits.forget(MARIE)
    assert await limits.of([MARIE, JEAN]) == {MARIE: 1000, JEAN: None}
    async with running(quota_app, shared, port_base=port_base):
        assert await limits.of([JEAN]) == {JEAN: None}  # not asked: it did not answer a moment ago
        clock.now += GRACE
        assert await limits.of([MARIE, JEAN]) == {MARIE: 1000, JEAN: 500}


async def test_a_flood_of_mailboxes_takes_no_memory_without_bound(limits: QuotaLimits) -> None:
    for n in range(REMEMBERED + 10):
        limits._remember(f"{n}@example.org", n)
    assert len(limits._known) == REMEMBERED
