"""The depth of the queues and the age of their oldest messages, for alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from libs.bus import Bus, Refused, Unavailable
from libs.envelope.model import utc_now
from libs.telemetry import Metrics

PERIOD = timedelta(seconds=15)


class QueueDepths:
    """The gauges of `queues`. All replicas report the same queues, so that alerts take the maximum."""

    def __init__(
        self, bus: Bus, queues: Sequence[str], metrics: Metrics, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._bus = bus
        self._queues = queues
        self._clock = clock
        self._messages = metrics.gauge(
            "facteur_queue_messages", "Messages of a queue: ready, pending (in flight, or to be retried) or dead.",
            ("queue", "state"),
        )  # fmt: skip
        self._oldest = metrics.gauge(
            "facteur_queue_oldest_message_age_seconds",
            "Time since the first publication of the oldest message of a queue.",
            ("queue",),
        )

    async def update(self) -> None:
        """Measure all queues. Without the bus the series are removed: old figures would mislead an alert."""
        try:
            for queue in self._queues:
                await self._measure(queue)
        except Unavailable:
            self._messages.clear()
            self._oldest.clear()

    async def _measure(self, queue: str) -> None:
        try:
            depth, oldest = await self._bus.depth(queue), await self._bus.oldest(queue)
        except Refused:
            return  # it is not declared yet
        for state in ("ready", "pending", "dead"):
            self._messages.labels(queue, state).set(getattr(depth, state))
        age = 0.0 if oldest is None else (self._clock() - oldest).total_seconds()
        self._oldest.labels(queue).set(max(0.0, age))
