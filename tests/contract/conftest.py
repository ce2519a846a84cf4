"""The places where the buses of one test live: opened again, they hold what was durable."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.bus import Bus
from libs.bus.embedded import EmbeddedBus
from libs.bus.rabbitmq import RabbitBus

RETRY_DELAYS = (timedelta(milliseconds=50), timedelta(milliseconds=400))


@dataclass
class Place:
    """`start()` opens a bus there; `queue` is a name that no other test uses; `url` is for other processes."""

    url: str
    build: Callable[..., Bus]
    queue: str = field(default_factory=lambda: f"test.{uuid.uuid4().hex[:8]}")
    opened: list[Bus] = field(default_factory=list)

    async def start(self, **options: Any) -> Bus:
        bus = self.build(**{"retry_delays": RETRY_DELAYS, **options})
        await bus.start()
        self.opened.append(bus)
        await bus.declare(self.queue)
        return bus


@pytest.fixture(params=["embedded", "rabbitmq"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "embedded":
        place = Place(f"embedded:{tmp_path}", lambda **options: EmbeddedBus(tmp_path, **options))
    else:
        url = request.getfixturevalue("rabbit_url")
        place = Place(url, lambda **options: RabbitBus(url, **options))
    yield place
    for bus in place.opened:
        await bus.close()


@pytest.fixture
async def bus(place: Place) -> Bus:
    return await place.start()
