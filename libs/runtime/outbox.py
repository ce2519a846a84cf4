"""Publishing a message: the claim check for large ones, then the frame."""

from __future__ import annotations

from collections.abc import Mapping

from libs.blobs import Blobs
from libs.bus import Bus
from libs.envelope import Mail, encode


class Outbox:
    """The way to the queue for every service."""

    def __init__(self, bus: Bus, blobs: Blobs, *, inline_limit_bytes: int) -> None:
        self._bus = bus
        self._blobs = blobs
        self._inline_limit = inline_limit_bytes

    async def send(self, queue: str, mail: Mail, headers: Mapping[str, str] | None = None) -> None:
        """Returns when `mail` is durable in `queue`. Raises `Temporary`; then nothing is in the queue for certain."""
        await self._bus.publish(queue, encode(await self.checked_in(mail)), headers)

    async def checked_in(self, mail: Mail) -> Mail:
        """The mail with its bytes in the blob store if they are large."""
        envelope = mail.envelope
        if envelope.blob is not None or envelope.size_bytes <= self._inline_limit:
            return mail
        await self._blobs.put(envelope.id, mail.raw)
        return mail.with_envelope(envelope.model_copy(update={"blob": envelope.id}))
