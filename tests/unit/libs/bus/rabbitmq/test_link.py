"""A connection that comes back by itself, whatever it was that ended it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from libs.bus import Unavailable
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.bus.rabbitmq.link import Link

SECOND = timedelta(seconds=1)


async def nothing(connection: AmqpConnection) -> None:
    """No preparation."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("connection refused"), "connection refused"),
        (KeyError("a bug"), "a bug"),
    ],
)
async def test_whatever_ends_a_try_there_is_another_and_a_reason(error: Exception, reason: str) -> None:
    tries = asyncio.Semaphore(0)

    async def connect() -> AmqpConnection:
        tries.release()
        raise error

    link = Link(connect, nothing, heartbeat=SECOND, patience=SECOND)
    async with asyncio.timeout(30):
        for _ in range(3):
            await tries.acquire()
    with pytest.raises(Unavailable, match=reason):
        await link.first(asyncio.get_running_loop().time() + 0.01)
    assert not link.usable
    await link.close()
