"""Limits asked of a real quota, and what counts when it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from libs.envelope.model import utc_now
from libs.events import AccountChanged, DomainChanged
from libs.http import Client
from libs.http.outgoing import Response
from libs.neighbours import QuotaClient
from libs.neighbours.quota import MAX_LIMITS
from libs.runtime import Shared
from services.quota import app as quota_app
from services.store.mailboxes.quota_limits import REMEMBERED, RETRY_AFTER, QuotaLimits
from tests.integration.store.building import JEAN, MARIE
from tests.integration.store.conftest import running
from tests.servers.tokens import bearer

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


class CountingClient(Client):
    """Counts what goes out to the real neighbour."""

    calls = 0

    async def call(self, *arguments: Any, **options: Any) -> Response:
        self.calls += 1
        return await super().call(*arguments, **options)


@pytest.fixture
async def client(port_base: int) -> AsyncIterator[CountingClient]:
    """Of a quota on its port, whether it runs or not."""
    client = CountingClient(f"http://127.0.0.1:{8006 + port_base}", token=lambda: "store")
    yield client
    await client.close()


@pytest.fixture
async def limits(client: CountingClient, clock: Clock) -> AsyncIterator[QuotaLimits]:
    limits = QuotaLimits(QuotaClient(client), keep=KEEP, monotonic=clock)
    yield limits
    await limits.close()


def a_quota_client(port_base: int) -> httpx.AsyncClient:
    """As an administrator."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{8006 + port_base}", headers=bearer())


async def give(shared: Shared, port_base: int, address: str, limit: int) -> None:
    """Returns when quota answers with the new limit."""
    await shared.bus.emit(AccountChanged(address=address, quota_bytes=limit).to_bus())
    async with a_quota_client(port_base) as quota, asyncio.timeout(30):
        while (await quota.get(f"/v1/usage/{address}")).json().get("limit_bytes") != limit:
            await asyncio.sleep(0.02)


async def give_domain(shared: Shared, port_base: int, domain: str, limit: int) -> None:
    """As `give`, for accounts that were never heard of."""
    await shared.bus.emit(DomainChanged(domain=domain, quota_bytes=limit, quota_at=utc_now()).to_bus())
    someone = {"addresses": [f"someone@{domain}"]}
    async with a_quota_client(port_base) as quota, asyncio.timeout(30):
        while limit not in (await quota.post("/v1/limits/queries", json=someone)).json()["limits"].values():
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


async def test_a_thousand_mailboxes_are_one_question_and_each_has_the_limit_that_quota_shows(
    limits: QuotaLimits, client: CountingClient, shared: Shared, port_base: int
) -> None:
    crowd = [f"User{n}@example.net" for n in range(MAX_LIMITS)]
    async with running(quota_app, shared, port_base=port_base), a_quota_client(port_base) as quota:
        await give(shared, port_base, MARIE, 1000)
        await give(shared, port_base, "it/marie@example.org", 900)  # RFC 5322 3.2.3: a slash is an atom's, too
        await give_domain(shared, port_base, "example.net", 500)
        assert await limits.of([*crowd, MARIE]) == {**dict.fromkeys(crowd, 500), MARIE: 1000}
        assert client.calls == 2  # 1,001 mailboxes
        too_many = await quota.post("/v1/limits/queries", json={"addresses": [*crowd, MARIE]})
        assert too_many.status_code == 422
        limits.forget("@example.net")
        await give_domain(shared, port_base, "example.net", 600)
        assert await limits.of([crowd[0], MARIE]) == {crowd[0]: 600, MARIE: 1000}


async def test_an_answer_from_before_a_change_is_not_believed(
    limits: QuotaLimits, shared: Shared, port_base: int
) -> None:
    async with running(quota_app, shared, port_base=port_base):
        await give(shared, port_base, MARIE, 1000)
        asking = asyncio.create_task(limits.of([MARIE]))
        await asyncio.sleep(0)  # the question is under way
        limits.forget(MARIE)
        await asking
        await give(shared, port_base, MARIE, 2000)
        assert await limits.of([MARIE]) == {MARIE: 2000}


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
        clock.now += RETRY_AFTER
        assert await limits.of([MARIE, JEAN]) == {MARIE: 1000, JEAN: 500}


async def test_a_flood_of_mailboxes_takes_no_memory_without_bound(limits: QuotaLimits) -> None:
    for n in range(REMEMBERED + 10):
        limits._remember(f"{n}@example.org", n)
    assert len(limits._last) == len(limits._fresh) == REMEMBERED
