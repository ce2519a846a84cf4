"""The dead letters of relay's queue, for messages that were taken from it long ago."""

from __future__ import annotations

from libs.bus import Bus
from libs.envelope import Mail, encode, queues


class DeadLetterQueue:
    """An operator sees them as all others: `GET /v1/dead-letters`, replay, purge."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, mail: Mail, reason: str) -> None:
        await self._bus.publish_dead_letter(queues.RELAY, encode(mail), reason)
