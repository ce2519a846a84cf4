"""Taking a message: its envelope, the queue, and what the peer may be told then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.blobs import Blobs
from libs.envelope import Envelope, Mail, Peer, Recipient, Temporary, new_id
from libs.envelope.model import Listener
from libs.envelope.queues import ANTIVIRUS
from libs.runtime import Outbox

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """Everything about a message but its octets."""

    listener: Listener
    peer: Peer
    mail_from: str
    recipients: tuple[Recipient, ...]
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""


@dataclass(frozen=True, slots=True)
class Reception:
    """Publishes what was accepted."""

    outbox: Outbox
    blobs: Blobs
    clock: Callable[[], datetime]
    deadline: timedelta

    async def take(self, submission: Submission, raw: bytes, *, sha256: str, id: str | None = None) -> str:
        """The id of the message, once it is durable in the queue. Raises `Temporary`; then nothing was kept."""
        now = self.clock()
        envelope = Envelope(
            id=id or new_id(now),
            received_at=now,
            listener=submission.listener,
            peer=submission.peer,
            mail_from=submission.mail_from,
            ret=submission.ret,
            envid=submission.envid,
            smtputf8=submission.smtputf8,
            recipients=submission.recipients,
            size_bytes=len(raw),
            sha256=sha256,
            verdicts={},
        )
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                await self.outbox.send(ANTIVIRUS, Mail(envelope, raw))
        except TimeoutError as error:
            await self._forget(envelope.id)
            raise Temporary(f"not published within {self.deadline}") from error
        except Temporary:
            await self._forget(envelope.id)
            raise
        log.info(
            "mail_received", id=envelope.id, listener=envelope.listener, peer=envelope.peer.address,
            size=envelope.size_bytes, recipients=len(envelope.recipients),
        )  # fmt: skip
        return envelope.id

    async def _forget(self, id: str) -> None:
        """A blob without a message is an orphan; the collector takes what is left here."""
        with suppress(Temporary, TimeoutError):
            async with asyncio.timeout(5):
                await self.blobs.delete(id)
