"""Delivery receipts: DSNs of successful deliveries for senders that ask for them (RFC 3461 5.2.3, NOTIFY=SUCCESS).

A receipt is stored after the delivery and sent in the background. Its final states: sent, already_sent, refused
(ingress rejects it), expired (it could not be sent for long) or failed (a bug). No error here affects the delivery,
which is complete before a receipt begins.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

import structlog
from prometheus_client import Counter

from libs.envelope import Envelope, Permanent, Recipient, Temporary
from libs.mail.dsn import MAX_ORIGINAL_OCTETS, DsnAction, FailedRecipient
from libs.mail.headers import Headers
from libs.postmaster import NotifyEvent, is_notified
from libs.runtime import Periodic
from libs.runtime.periodic import each
from services.store.mailboxes.delivery import mailbox_address
from services.store.mailboxes.ports import DsnSender

log = structlog.get_logger(__name__)

MAX_IN_MEMORY = 1000  # receipts, while the database does not answer
STORE_DEADLINE = timedelta(seconds=5)
DELIVERED = "2.0.0"  # RFC 3463 3.1


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """One notification: of one message, for the recipients that were delivered together. `envelope` has no recipients.

    `header` is the header block as received: a success returns nothing else, whatever RET says (RFC 3461 4.3).
    """

    id: str
    envelope: Envelope
    header: bytes
    recipients: tuple[FailedRecipient, ...]
    noted_at: datetime


def build_receipt(envelope: Envelope, raw: bytes, *, missed: Collection[str], now: datetime) -> DeliveryReceipt | None:
    """Return None without a request, which is nearly always. The mailboxes in `missed` have no copy."""
    if not any(recipient.notify for recipient in envelope.recipients):
        return None
    delivered: dict[str, FailedRecipient] = {}
    for recipient in envelope.recipients:
        if is_notified(envelope, recipient, NotifyEvent.SUCCESS) and mailbox_address(recipient.address) not in missed:
            reported = _delivered(recipient)
            delivered.setdefault(reported.address.lower(), reported)
    if not delivered:
        return None
    batch = sha256("\n".join(sorted(delivered)).encode("utf-8", "replace")).hexdigest()[:16]
    about = Envelope(
        id=envelope.id,
        received_at=envelope.received_at,
        mail_from=envelope.mail_from,
        envid=envelope.envid,
        recipients=(),
        size_bytes=envelope.size_bytes,
        sha256=envelope.sha256,
        verdicts={},
    )
    recipients = sorted(delivered.values(), key=lambda reported: reported.action is DsnAction.EXPANDED)
    return DeliveryReceipt(f"{envelope.id}:{batch}", about, _head(raw), tuple(recipients), now)


def _delivered(recipient: Recipient) -> FailedRecipient:
    """Members and targets of a local alias stay private. An alias with several mailboxes is expanded (RFC 3461
    5.2.7.2).
    """
    return FailedRecipient(
        address=recipient.original or recipient.address,
        original=recipient.orcpt,
        status=DELIVERED,
        action=DsnAction.EXPANDED if recipient.expanded else DsnAction.DELIVERED,
    )


def _head(raw: bytes) -> bytes:
    header = Headers(raw).raw
    return header if len(header) <= MAX_ORIGINAL_OCTETS else header[: header.rfind(b"\n", 0, MAX_ORIGINAL_OCTETS) + 1]


class ReceiptQueue(Protocol):
    """The durable queue of receipts. All methods raise `Temporary`."""

    async def store(self, receipt: DeliveryReceipt) -> None:
        """Store the receipt durably. Idempotent."""

    async def claim(self) -> DeliveryReceipt | None:
        """Lease a receipt that is due to this replica."""

    async def unreported(self, receipt: DeliveryReceipt) -> tuple[FailedRecipient, ...]:
        """Return the recipients that no other receipt reports."""

    async def finish(self, id: str, state: str) -> None:
        """Record the final state; the receipt is not due any more."""


@dataclass(frozen=True, slots=True)
class DeliveryReceipts:
    """`patience` is how long a receipt is tried; it must be shorter than ingress remembers an idempotency key."""

    queue: ReceiptQueue
    reporter: DsnSender
    clock: Callable[[], datetime]
    give_up_after: timedelta
    period: timedelta
    outcomes: Counter
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _in_memory: deque[DeliveryReceipt] = field(default_factory=deque)

    @property
    def background(self) -> Periodic:
        """Return the background loop."""
        return Periodic("receipts", self.round, self.period, self.wake)

    async def delivered(self, envelope: Envelope, raw: bytes, missed: Collection[str]) -> None:
        """Store a receipt for mail that is durable in its mailboxes except those in `missed`.

        Never raises, since the delivery must not be repeated.
        """
        try:
            receipt = build_receipt(envelope, raw, missed=missed, now=self.clock())
            if receipt is not None:
                await self._store(receipt)
        except Exception as error:
            log.error("receipt_lost", id=envelope.id, exc_info=error)
            self.outcomes.labels("lost").inc()

    async def round(self) -> None:
        """Send every receipt that is due. Raises `Temporary` when the database or ingress does not answer."""
        while self._in_memory:
            await self.queue.store(self._in_memory[0])
            self._in_memory.popleft()
        await each(self._claims(), self._send, park=self._fail)

    async def _store(self, receipt: DeliveryReceipt) -> None:
        try:
            async with asyncio.timeout(STORE_DEADLINE.total_seconds()):
                await self.queue.store(receipt)
        except (Temporary, TimeoutError) as error:
            self._keep_in_memory(receipt, str(error) or "the database took too long")
        else:
            self.wake.set()

    def _keep_in_memory(self, receipt: DeliveryReceipt, reason: str) -> None:
        if len(self._in_memory) >= MAX_IN_MEMORY:
            log.error("receipt_lost", id=receipt.envelope.id, reason=reason)
            self.outcomes.labels("lost").inc()
            return
        log.warning("receipt_not_stored", id=receipt.envelope.id, reason=reason)
        self._in_memory.append(receipt)

    async def _claims(self) -> AsyncIterator[DeliveryReceipt]:
        while receipt := await self.queue.claim():
            yield receipt

    async def _send(self, receipt: DeliveryReceipt) -> None:
        if self.clock() - receipt.noted_at > self.give_up_after:
            await self._ended(receipt, "expired")
            return
        try:
            recipients = await self.queue.unreported(receipt)
            if recipients:
                await self.reporter.report(receipt.envelope, receipt.header, recipients, event="delivered")
        except Temporary as error:
            log.warning("receipt_deferred", id=receipt.envelope.id, reason=error.reason)
            self.outcomes.labels("deferred").inc()
            raise
        except Permanent as error:
            await self._ended(receipt, "refused", error.reason)
        else:
            await self._ended(receipt, "sent" if recipients else "already_sent")

    async def _fail(self, receipt: DeliveryReceipt, reason: str) -> None:
        await self._ended(receipt, "failed", reason)

    async def _ended(self, receipt: DeliveryReceipt, state: str, reason: str = "") -> None:
        await self.queue.finish(receipt.id, state)
        self.outcomes.labels(state).inc()
        if state.startswith("sent"):
            log.info("receipt_finished", id=receipt.envelope.id, state=state, recipients=len(receipt.recipients))
        else:
            log.error("receipt_finished", id=receipt.envelope.id, state=state, reason=reason)
