"""An event loop that stands still: told with the place where it stands, and with its end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from structlog.testing import capture_logs

from libs.runtime.watchdog import STUCK_AFTER, Watchdog
from libs.telemetry import Metrics

BEAT = 0.02


class Stuck:
    """Holds the loop until the watchdog has said so, at most for ten seconds."""

    def __init__(self, logs: list[Any]) -> None:
        self._logs = logs

    def on_something(self) -> None:
        never = threading.Event()
        for _ in range(1000):
            if any(line["event"] == "event_loop_blocked" for line in self._logs):
                return
            never.wait(0.01)


async def test_a_stuck_loop_is_told_with_its_place_and_so_is_that_it_goes_on() -> None:
    metrics = Metrics()
    with capture_logs() as logs:
        watchdog = Watchdog([metrics], beat=BEAT)
        watchdog.start()
        await asyncio.sleep(2 * BEAT)
        Stuck(logs).on_something()
        async with asyncio.timeout(10):
            while not any(line["event"] == "event_loop_recovered" for line in logs):
                await asyncio.sleep(BEAT)
        await watchdog.stop()
    [stuck] = [line for line in logs if line["event"] == "event_loop_blocked"]
    assert stuck["looks"] == STUCK_AFTER
    assert any("on_something" in call for call in stuck["where"])
    assert metrics.registry.get_sample_value("facteur_event_loop_lag_seconds") is not None


async def test_a_loop_that_goes_on_is_not_told_of() -> None:
    with capture_logs() as logs:
        watchdog = Watchdog([Metrics()], beat=BEAT)
        watchdog.start()
        for _ in range(10):
            await asyncio.sleep(BEAT)
        await watchdog.stop()
    assert [line for line in logs if line["event"] == "event_loop_blocked"] == []
