"""The gauges of queues, over a real bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from libs.bus import Delivery
from libs.bus.embedded import EmbeddedBus
from libs.envelope.model import utc_now
from libs.runtime.queue_depths import QueueDepths
from libs.telemetry import Metrics


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    bus = EmbeddedBus(tmp_path, clock=lambda: utc_now() - timedelta(hours=2))
    await bus.start()
    await bus.declare("mail.full", "mail.empty")
    yield bus
    await bus.close()


def figures(metrics: Metrics) -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("facteur_queue_")}


async def test_each_queue_has_its_figures(bus: EmbeddedBus) -> None:
    for body in (b"1", b"2"):
        await bus.publish("mail.full", body)
    await bus.publish_dead_letter("mail.full", b"3", "poison")
    metrics = Metrics()
    await QueueDepths(bus, ["mail.full", "mail.empty", "mail.nobody-has-declared-it"], metrics).update()
    found = figures(metrics)
    assert found['facteur_queue_messages{queue="mail.full",state="ready"}'] == 2
    assert found['facteur_queue_messages{queue="mail.full",state="dead"}'] == 1
    assert 7200 <= found['facteur_queue_oldest_message_age_seconds{queue="mail.full"}'] < 7300
    assert found['facteur_queue_oldest_message_age_seconds{queue="mail.empty"}'] == 0
    assert not any("nobody" in name for name in found)


async def test_a_message_that_is_retried_for_days_is_the_oldest(bus: EmbeddedBus) -> None:
    async def defer(delivery: Delivery) -> None:
        await delivery.retry(timedelta(minutes=30), reason="engine down")

    await bus.publish("mail.full", b"1")
    await bus.consume("mail.full", defer)
    metrics, gauge = Metrics(), 'facteur_queue_messages{queue="mail.full",state="pending"}'
    depths = QueueDepths(bus, ["mail.full"], metrics)
    while (await bus.depth("mail.full")).ready or not (await bus.depth("mail.full")).pending:
        await depths.update()
    await depths.update()
    assert figures(metrics)[gauge] == 1
    assert figures(metrics)['facteur_queue_oldest_message_age_seconds{queue="mail.full"}'] >= 7200


async def test_without_a_bus_there_are_no_figures_rather_than_old_ones(bus: EmbeddedBus) -> None:
    metrics = Metrics()
    depths = QueueDepths(bus, ["mail.full"], metrics)
    await depths.update()
    await bus.close()
    await depths.update()
    assert figures(metrics) == {}
