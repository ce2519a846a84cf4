"""Tasks that are cancelled end, whatever swallows a cancellation on the way."""

from __future__ import annotations

import asyncio

import pytest

from libs.tasks import cancelled, ending


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "AGAIN", 0.01)


async def test_a_task_that_swallows_cancellations_ends_all_the_same() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 3:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await cancelled([task])
    assert swallowed == 3
    assert task.done()


async def test_what_they_raise_on_the_way_is_nobodys() -> None:
    async def raising() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("too late")

    chosen = [asyncio.create_task(raising()), asyncio.create_task(asyncio.sleep(3600)), asyncio.create_task(_ended())]
    await asyncio.sleep(0)
    await cancelled(chosen)
    assert all(task.done() for task in chosen)
    await cancelled([])


async def _ended() -> None:
    return None
