"""Buses on the real broker of the run, with short delays."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from libs.bus.rabbitmq import RabbitBus

BusFactory = Callable[..., Awaitable[RabbitBus]]


@pytest.fixture
async def start_bus(rabbit_url: str) -> AsyncIterator[BusFactory]:
    """Starts a bus; all are closed after the test."""
    started: list[RabbitBus] = []

    async def start(**options: Any) -> RabbitBus:
        defaults: dict[str, Any] = {
            "retry_delays": (timedelta(milliseconds=50), timedelta(milliseconds=400)),
            "timeout": timedelta(seconds=5),
            "patience": timedelta(seconds=1),
        }
        bus = RabbitBus(rabbit_url, **{**defaults, **options})
        started.append(bus)
        await bus.start()
        return bus

    yield start
    for bus in started:
        await bus.close()


@pytest.fixture
async def bus(start_bus: BusFactory, queue: str) -> RabbitBus:
    bus = await start_bus()
    await bus.declare(queue)
    return bus


@pytest.fixture
def queue() -> str:
    """A name that no other test uses."""
    return f"test.{uuid.uuid4().hex[:8]}"
