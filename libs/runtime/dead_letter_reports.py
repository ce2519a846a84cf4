"""Notifications to the senders of messages that become dead letters."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from libs.blobs import Blobs
from libs.envelope import Envelope, Mail, Permanent, Temporary
from libs.envelope.queues import QUARANTINE
from libs.mail.dsn import FailedRecipient
from libs.mail.headers import Headers
from libs.postmaster import is_notified_of_failure
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

# RFC 3463 3.5 and 3.4
TIME_EXPIRED, NOT_PROCESSED = "4.4.7", "5.3.0"
# A dead letter waits so long for its notification, which is then sent in the background.
DEADLINE = timedelta(seconds=10)
PERIOD = timedelta(minutes=1)
# So many wait for an ingress that is away, with their headers only.
MAX_PENDING = 200


class Reports(Protocol):
    """The sender of notifications, in `libs.postmaster`."""

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _PendingReport:
    envelope: Envelope
    raw: bytes  # or its header
    recipients: Sequence[FailedRecipient]


class DeadLetterReports:
    """Notifies senders. A notification has one key for each message, so that a retry sends no second one."""

    def __init__(self, reports: Reports, blobs: Blobs, metrics: Metrics) -> None:
        self._reports = reports
        self._blobs = blobs
        self._pending: deque[_PendingReport] = deque()
        self._counted = metrics.counter(
            "facteur_messages_dead_lettered",
            "Mail that was given up, by whether its sender was told: told, silent (null sender, spam, NOTIFY=NEVER,"
            " quarantine), unreadable, refused, late (ingress is away), lost.",
            ("queue", "sender"),
        )

    async def tell(self, queue: str, mail: Mail | None, *, waited_out: bool) -> None:
        """Notify the sender before the message becomes a dead letter. Never fails, and takes a bounded time."""
        self._counted.labels(queue, await self._report_outcome(queue, mail, waited_out=waited_out)).inc()

    async def send_pending(self) -> None:
        """Send the notifications that ingress did not take before. Raises `Temporary` while it is away."""
        while self._pending:
            pending = self._pending[0]
            try:
                await self._report(pending)
            except Permanent as error:
                log.error("notification_refused", id=pending.envelope.id, reason=error.reason)
            self._pending.popleft()

    async def _report_outcome(self, queue: str, mail: Mail | None, *, waited_out: bool) -> str:
        if mail is None:
            return "unreadable"
        envelope = mail.envelope
        heard = () if queue == QUARANTINE else [r for r in envelope.recipients if is_notified_of_failure(envelope, r)]
        if not heard:
            return "silent"
        status = TIME_EXPIRED if waited_out else NOT_PROCESSED
        recipients = [
            FailedRecipient(
                # The address that the sender used: the targets of an alias are not disclosed.
                address=recipient.original or recipient.address,
                original=recipient.orcpt,
                status=status,
                diagnostic="it could not be processed" + (" for days" if waited_out else ""),
            )
            for recipient in heard
        ]
        unique = tuple({each.address: each for each in recipients}.values())
        try:
            async with asyncio.timeout(DEADLINE.total_seconds()):
                await self._report(_PendingReport(envelope, await self._raw(mail), unique))
        except Permanent as error:
            log.error("notification_refused", id=envelope.id, reason=error.reason)
            return "refused"
        except (Temporary, TimeoutError) as error:
            log.warning("notification_deferred", id=envelope.id, reason=str(error))
            header = b"" if envelope.blob else Headers(mail.raw).raw
            # RFC 3461 4.3: only the header is returned then, also to a sender that asked for the whole message.
            return self._later(_PendingReport(envelope.model_copy(update={"ret": "HDRS"}), header, unique))
        except Exception:
            # A notification that cannot be made is no reason to keep the message from the dead letters.
            log.exception("notification_failed", id=envelope.id)
            return "refused"
        return "told"

    async def _report(self, pending: _PendingReport) -> None:
        await self._reports.report(pending.envelope, pending.raw, pending.recipients, event="given-up")

    async def _raw(self, mail: Mail) -> bytes:
        blob = mail.envelope.blob
        if blob is None:
            return mail.raw
        try:
            return await self._blobs.get(blob)
        except Permanent:
            return b""  # the bytes are gone, which may be why it is given up

    def _later(self, pending: _PendingReport) -> str:
        if len(self._pending) >= MAX_PENDING:
            return "lost"
        self._pending.append(pending)
        return "late"
