"""Accepts mail from the bus: once a message is in the outbound queue, the bus may forget it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from libs.envelope import Mail, check_actions, queues
from libs.runtime import QueueHandler, Route
from services.relay.adapters.queue import MongoQueue
from services.relay.queue_runner import QueueRunner


@dataclass(frozen=True, slots=True)
class RelayHandler:
    """Stores mail in the outbound queue and wakes the queue runner."""

    queue: MongoQueue
    queue_runner: QueueRunner
    clock: Callable[[], datetime]

    async def accept(self, mail: Mail) -> Iterable[Route]:
        """Nothing goes on from here. Raises `Temporary`."""
        check_actions(mail.envelope)
        self.queue_runner.expect(await self.queue.add(mail, now=self.clock()))
        return ()

    def table(self) -> tuple[QueueHandler, ...]:
        """Which queue is handled how."""
        return (QueueHandler(queues.RELAY, self.accept, needs_raw=False, keeps_blob=True),)
