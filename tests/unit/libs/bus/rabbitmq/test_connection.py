"""Questions to the driver end in time, and what became of them ends too."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from libs.bus.ports import Unavailable
from libs.bus.rabbitmq import connection


async def test_a_driver_that_swallows_cancellations_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CANCEL_AGAIN", 0.01)
    ended = asyncio.Event()

    async def close() -> None:
        try:
            for _ in range(3):
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(Unavailable, match="did not answer"):
        await connection.bounded(close(), timedelta(milliseconds=10))
    async with asyncio.timeout(5):
        await ended.wait()


async def test_the_result_and_the_error_of_the_driver_are_those_of_the_caller() -> None:
    async def answer() -> int:
        return 7

    async def fail() -> int:
        raise OSError("no route")

    assert await connection.bounded(answer(), timedelta(seconds=5)) == 7
    with pytest.raises(Unavailable, match="cannot be reached: no route"):
        await connection.bounded(fail(), timedelta(seconds=5))
