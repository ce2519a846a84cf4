"""Messages that were in hand when the process died: each is handled alone before anything is concluded about it.

Which one is in hand alone stands in the file before its handler begins, so that the next start knows what was.
"""

from __future__ import annotations

import asyncio

import structlog

from libs.bus.embedded.queues import WorkQueue
from libs.bus.embedded.writer import Writer
from libs.bus.ports import Unavailable
from libs.bus.solitude import Solitude

log = structlog.get_logger(__name__)

AGAIN = 1.0  # seconds after which a disk that failed is tried again


class Ward:
    """Owns the task that hands out the suspects of all queues."""

    def __init__(self, writer: Writer, queues: dict[str, WorkQueue], solitude: Solitude) -> None:
        self._writer = writer
        self._queues = queues
        self._solitude = solitude
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A queue has a suspect, or a consumer."""
        self._wake.set()

    async def run(self) -> None:
        """For as long as the bus runs."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while queues := [queue for queue in self._queues.values() if queue.suspects and queue.consumers]:
                try:
                    async with self._solitude.alone():
                        for queue in queues:
                            await self._empty(queue)
                        await self._writer.call(lambda file: file.clear_alone())
                except Unavailable as error:
                    log.warning("suspects_wait_for_the_disk", reason=error.reason)
                    await asyncio.sleep(AGAIN)
                except Exception:
                    # Without this task what was given back would wait for the next start.
                    log.exception("ward_failed")
                    await asyncio.sleep(AGAIN)

    async def _empty(self, queue: WorkQueue) -> None:
        while queue.suspects and queue.consumers:
            number, id = queue.id, queue.suspects[0].id
            await self._writer.call(lambda file: file.set_alone(number, id))  # noqa: B023  (done before the next one)
            if queue.suspects and queue.consumers:
                await queue.consumers[0].handle_alone(queue.suspects.popleft())
