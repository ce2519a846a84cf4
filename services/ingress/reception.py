"""Taking a message: its envelope, the queue, and what the peer may be told then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.blobs import Blobs
from libs.bus import NotPublished, Refused
from libs.envelope import Envelope, Mail, Peer, Recipient, Temporary, new_id
from libs.envelope.model import Listener
from libs.envelope.queues import ANTIVIRUS
from libs.runtime import Outbox
from services.ingress.domain.duplicates import message_key
from services.ingress.domain.unconfirmed import Unconfirmed

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
    body_type: str = ""


@dataclass(frozen=True, slots=True)
class Reception:
    """Publishes what was accepted."""

    outbox: Outbox
    blobs: Blobs
    clock: Callable[[], datetime]
    deadline: timedelta
    unconfirmed: Unconfirmed

    async def take(self, submission: Submission, raw: bytes, *, sha256: str, id: str | None = None) -> str:
        """The id of the message, once it is durable in the queue; `id` is that of a caller who keeps it for a retry.

        Raises `Temporary`. Then nothing was kept, or nobody knows: the next try of the same message has the same id.
        """
        now = self.clock()
        # Not of the peer: the retry of a large provider comes from another of its addresses.
        key = message_key("", submission.mail_from, (each.address for each in submission.recipients), sha256)
        earlier = id or self.unconfirmed.take_up(key)
        mail = Mail(_envelope(submission, raw, id=earlier or new_id(now), received_at=now, sha256=sha256), raw)
        unknown = True
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                mail = await self.outbox.checked_in(mail)
                await self.outbox.send(ANTIVIRUS, mail)
            unknown = False
        except (Refused, NotPublished):
            # An earlier try may be in the queue all the same, and needs the blob.
            if earlier is None:
                unknown = False
                await self._forget(mail.envelope)
            raise
        except TimeoutError as error:
            raise Temporary(f"not published within {self.deadline}") from error
        finally:
            if unknown and id is None:
                self.unconfirmed.leave(key, mail.envelope.id)
        envelope = mail.envelope
        log.info(
            "mail_received", id=envelope.id, listener=envelope.listener, peer=envelope.peer.address,
            size=envelope.size_bytes, recipients=len(envelope.recipients),
        )  # fmt: skip
        return envelope.id

    async def _forget(self, envelope: Envelope) -> None:
        """A blob without a message is an orphan; the collector takes what is left here."""
        if envelope.blob is None:
            return
        try:
            async with asyncio.timeout(5):
                await self.blobs.delete(envelope.blob)
        except (Temporary, TimeoutError) as error:
            log.warning("orphan_left", id=envelope.id, reason=str(error) or "the blob store does not answer")


def _envelope(submission: Submission, raw: bytes, *, id: str, received_at: datetime, sha256: str) -> Envelope:
    return Envelope(
        id=id,
        received_at=received_at,
        listener=submission.listener,
        peer=submission.peer,
        mail_from=submission.mail_from,
        ret=submission.ret,
        envid=submission.envid,
        smtputf8=submission.smtputf8,
        body_type=submission.body_type,
        recipients=submission.recipients,
        size_bytes=len(raw),
        sha256=sha256,
        verdicts={},
    )
