"""Keeps the bytes of queued messages while an entry needs them, and releases them afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from libs.blobs import Blobs, Missing
from libs.envelope import Temporary
from libs.envelope.queues import RELAY
from services.relay.adapters.bodies import Bodies

log = structlog.get_logger(__name__)


class BodyRetention:
    """Runs two background tasks: `collect` and `refresh`."""

    def __init__(self, bodies: Bodies, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._bodies = bodies
        self._blobs = blobs
        self._clock = clock

    async def collect(self) -> None:
        """Release the bytes of messages whose last entry is finished. Raises `Temporary`."""
        for message, blob in await self._bodies.collect(now=self._clock()):
            if blob is not None:
                await self._release(message, blob)

    async def _release(self, message: str, blob: str) -> None:
        """Release the bytes, which are held under the name of their queue.

        A message that was added again meanwhile, and was then held, keeps them.
        """
        try:
            if not await self._bodies.has(message):
                await self._blobs.release(blob, RELAY)
            if await self._bodies.has(message):
                await self._blobs.hold(blob, RELAY)
        except (Temporary, Missing) as error:
            log.warning("blob_not_released", id=message, reason=error.reason)  # it expires by its age

    async def refresh(self) -> None:
        """Touch the bytes of the whole queue now and then: the collector of blobs deletes untouched ones, and a message
        may wait for weeks. Raises `Temporary`."""
        after = ""
        while page := await self._bodies.page(after):
            for message, blob in page:
                try:
                    if blob is not None:
                        await self._blobs.touch(blob)
                except Missing as error:
                    # The next attempt fails, and its sender is notified.
                    log.error("message_bytes_missing", id=message, reason=error.reason)
            after = page[-1][0]
