"""A publication: a message that is being written to the file."""

from __future__ import annotations

import asyncio

from libs.bus.embedded.delivery import EmbeddedDelivery
from libs.bus.embedded.queues import WorkQueue
from libs.bus.embedded.rows import Row


class Publication:
    """Is settled on the event loop when it is durable, whether or not its publisher still waits.

    The reserved consumer then gets the message from memory; without one it queues behind others in the file.
    """

    __slots__ = ("_consumer", "_queue", "future", "handed", "queue_id", "row")

    def __init__(self, queue: WorkQueue, row: Row, future: asyncio.Future[None]) -> None:
        self._queue = queue
        self.queue_id = queue.id
        self.row = row
        self.future = future
        self._consumer = queue.reserve()
        self.handed = self._consumer is not None
        if not self.handed:
            queue.coming += 1
            queue.coming_bytes += len(row[-1])

    def settle(self, result: int, error: Exception | None) -> None:
        if error is None:
            self._durable(result)
        else:
            self.withdraw()
        if not self.future.done():
            if error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(error)

    def withdraw(self) -> None:
        """Undo a publication that is not in the file."""
        if self._consumer is None:
            self._count_down()
        else:
            self._consumer.in_flight -= 1
            self._queue.pump()

    def _count_down(self) -> None:
        self._queue.coming -= 1
        self._queue.coming_bytes -= len(self.row[-1])

    def _durable(self, id: int) -> None:
        if self._consumer is None:
            self._count_down()
            self._queue.arrived(1, len(self.row[-1]))
        elif self.handed:
            self._queue.hand(EmbeddedDelivery(self._queue, (id, *self.row)), self._consumer)
        else:
            self._consumer.in_flight -= 1
            self._queue.arrived(1, len(self.row[-1]))
