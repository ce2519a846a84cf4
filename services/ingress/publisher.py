"""Publishes an accepted message: its envelope, its blob, the queue."""

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
class MailTransaction:
    """Everything that is known of a message, apart from its content."""

    listener: Listener
    peer: Peer
    mail_from: str
    recipients: tuple[Recipient, ...]
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    body_type: str = ""


@dataclass(frozen=True, slots=True)
class MessagePublisher:
    """Publishes messages to the first queue. `deadline` bounds the wait for the broker."""

    outbox: Outbox
    blobs: Blobs
    clock: Callable[[], datetime]
    deadline: timedelta
    unconfirmed: Unconfirmed

    async def publish(self, transaction: MailTransaction, raw: bytes, *, sha256: str, id: str | None = None) -> str:
        """Return the id of the message, once it is durable in the queue. A caller that retries passes its `id`.

        Raises `Temporary` when the message was not kept, or when that is unknown: then the next try of the same
        message has the same id.
        """
        now = self.clock()
        # The peer is no part of the key: the retry of a large provider comes from another of its addresses.
        key = message_key("", transaction.mail_from, (each.address for each in transaction.recipients), sha256)
        earlier = id or self.unconfirmed.claim(key)
        mail = Mail(_envelope(transaction, raw, id=earlier or new_id(now), received_at=now, sha256=sha256), raw)
        unknown = True
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                mail = await self.outbox.checked_in(mail)
                await self.outbox.send(ANTIVIRUS, mail)
            unknown = False
        except (Refused, NotPublished):
            # An earlier try may be in the queue nevertheless, and then it needs the blob.
            if earlier is None:
                unknown = False
                await self._delete_blob(mail.envelope)
            raise
        except TimeoutError as error:
            raise Temporary(f"not published within {self.deadline}") from error
        finally:
            if unknown and id is None:
                self.unconfirmed.record(key, mail.envelope.id)
        envelope = mail.envelope
        log.info(
            "mail_received", id=envelope.id, listener=envelope.listener, peer=envelope.peer.address,
            size=envelope.size_bytes, recipients=len(envelope.recipients),
        )  # fmt: skip
        return envelope.id

    async def _delete_blob(self, envelope: Envelope) -> None:
        """Delete the blob of a message that was not published; the collector deletes what is left here."""
        if envelope.blob is None:
            return
        try:
            async with asyncio.timeout(5):
                await self.blobs.delete(envelope.blob)
        except (Temporary, TimeoutError) as error:
            log.warning("orphan_blob_left", id=envelope.id, reason=str(error) or "the blob store does not answer")


def _envelope(transaction: MailTransaction, raw: bytes, *, id: str, received_at: datetime, sha256: str) -> Envelope:
    return Envelope(
        id=id,
        received_at=received_at,
        listener=transaction.listener,
        peer=transaction.peer,
        mail_from=transaction.mail_from,
        ret=transaction.ret,
        envid=transaction.envid,
        smtputf8=transaction.smtputf8,
        body_type=transaction.body_type,
        recipients=transaction.recipients,
        size_bytes=len(raw),
        sha256=sha256,
        verdicts={},
    )
