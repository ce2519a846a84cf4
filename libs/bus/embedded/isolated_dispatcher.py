"""Handles messages alone that were in flight when the process died.

The file names the message before its handler begins, so that the next start knows which one killed the process.
"""

from __future__ import annotations

import asyncio

import structlog

from libs.bus.embedded.queues import WorkQueue
from libs.bus.embedded.writer import Writer
from libs.bus.isolation import IsolationGate
from libs.bus.ports import Unavailable

log = structlog.get_logger(__name__)

AGAIN = 1.0  # seconds before a failed disk is tried again


class IsolatedDispatcher:
    """Owns the task that handles the redelivered messages of all queues."""

    def __init__(self, writer: Writer, queues: dict[str, WorkQueue], isolation: IsolationGate) -> None:
        self._writer = writer
        self._queues = queues
        self._isolation = isolation
        self._wake = asyncio.Event()

    def notify(self) -> None:
        """Note that a queue has a redelivered message, or a consumer."""
        self._wake.set()

    async def run(self) -> None:
        """Run for as long as the bus does."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while queues := [queue for queue in self._queues.values() if queue.redelivered and queue.consumers]:
                try:
                    async with self._isolation.isolated():
                        for queue in queues:
                            await self._empty(queue)
                        await self._writer.call(lambda file: file.clear_isolated())
                except Unavailable as error:
                    log.warning("isolated_messages_deferred", reason=error.reason)
                    await asyncio.sleep(AGAIN)
                except Exception:
                    # Without this task redelivered messages would wait for the next start.
                    log.exception("isolated_dispatcher_failed")
                    await asyncio.sleep(AGAIN)

    async def _empty(self, queue: WorkQueue) -> None:
        while queue.redelivered and queue.consumers:
            number, id = queue.id, queue.redelivered[0].id
            await self._writer.call(lambda file: file.set_isolated(number, id))  # noqa: B023  (done before the next one)
            if queue.redelivered and queue.consumers:
                await queue.consumers[0].handle_isolated(queue.redelivered.popleft())
