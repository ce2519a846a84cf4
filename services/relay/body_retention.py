"""What the queue needs in the background: bytes kept while something needs them, and let go when nothing does."""

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
    """Two rounds."""

    def __init__(self, bodies: Bodies, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._bodies = bodies
        self._blobs = blobs
        self._clock = clock

    async def collect(self) -> None:
        """Messages whose last entry is done. Raises `Temporary`."""
        for message, blob in await self._bodies.collect(now=self._clock()):
            if blob is not None:
                await self._let_go(message, blob)

    async def _let_go(self, message: str, blob: str) -> None:
        """The bytes are held under the name of the queue from which they came. A message that was added again
        meanwhile, and was then held, keeps them."""
        try:
            if not await self._bodies.has(message):
                await self._blobs.release(blob, RELAY)
            if await self._bodies.has(message):
                await self._blobs.hold(blob, RELAY)
        except (Temporary, Missing) as error:
            log.warning("blob_not_released", id=message, reason=error.reason)  # it goes by its age

    async def look_through(self) -> None:
        """All of the queue, now and then: the collector of blobs takes what nobody touches, and a message may wait for
        weeks. Raises `Temporary`."""
        after = ""
        while page := await self._bodies.look_through(after):
            for message, blob in page:
                try:
                    if blob is not None:
                        await self._blobs.touch(blob)
                except Missing as error:
                    # It fails when it is tried next, and its sender hears of it.
                    log.error("message_bytes_missing", id=message, reason=error.reason)
            after = page[-1][0]
