"""Publishes dead letters to the queue of relay, for messages that left it long ago."""

from __future__ import annotations

from libs.bus import Bus
from libs.envelope import Mail, encode, queues


class DeadLetterQueue:
    """Operators list, replay and delete them like all others, with `/v1/dead-letters`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, mail: Mail, reason: str) -> None:
        await self._bus.publish_dead_letter(queues.RELAY, encode(mail), reason)
