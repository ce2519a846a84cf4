"""Publishing a message: the claim check for large ones, held for their queue, then the frame."""

from __future__ import annotations

from collections.abc import Mapping

from libs.blobs import Blobs
from libs.bus import Bus
from libs.envelope import Mail, encode
from libs.telemetry import Traces

NO_TRACES = Traces("", endpoint="", ratio=0)


class Outbox:
    """Publishes the messages of every service."""

    def __init__(self, bus: Bus, blobs: Blobs, *, inline_limit_bytes: int, traces: Traces = NO_TRACES) -> None:
        self._bus = bus
        self._blobs = blobs
        self._inline_limit = inline_limit_bytes
        self._traces = traces

    def traced(self, traces: Traces) -> Outbox:
        """Return an outbox with the spans of one service."""
        return Outbox(self._bus, self._blobs, inline_limit_bytes=self._inline_limit, traces=traces)

    async def send(self, queue: str, mail: Mail, headers: Mapping[str, str] | None = None) -> None:
        """Returns when `mail` is durable in `queue`.

        Raises `Temporary`: then it may be there or not. With `Refused` and `NotTaken` of the bus it surely is not.
        `headers` carry the trace on; without them a trace begins here, or goes on with what this task does.
        """
        if headers is not None:
            await self._publish(queue, mail, headers)
            return
        with self._traces.publishing(f"publish {queue}", message_id=mail.envelope.id) as own:
            await self._publish(queue, mail, own)

    async def checked_in(self, mail: Mail) -> Mail:
        """The mail with its bytes in the blob store if they are large."""
        envelope = mail.envelope
        if envelope.blob is not None or envelope.size_bytes <= self._inline_limit:
            return mail
        # Two tries of one message may differ (a message composed anew has another date), and a blob never changes.
        blob = f"{envelope.id}-{envelope.sha256[:16]}" if envelope.sha256 else envelope.id
        await self._blobs.put(blob, mail.raw)
        return mail.with_envelope(envelope.model_copy(update={"blob": blob}))

    async def _publish(self, queue: str, mail: Mail, headers: Mapping[str, str]) -> None:
        mail = await self.checked_in(mail)
        if mail.envelope.blob is not None:
            # Before it is there: the queue's worker releases it once the message is done.
            await self._blobs.hold(mail.envelope.blob, queue)
        await self._bus.publish(queue, encode(mail), headers)
