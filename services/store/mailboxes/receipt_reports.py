"""Successes that senders asked to hear of (RFC 3461 NOTIFY=SUCCESS): noted behind the delivery, told in the background.

noted ─▶ told, refused (nobody takes the notification), late (it could not be handed in for long) or failed (a bug).
No error here touches the delivery: it is over when a receipt begins.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from libs.envelope import Envelope, Permanent, Temporary
from libs.runtime import Periodic
from libs.runtime.periodic import each
from services.store.mailboxes.ports import ReceiptLedger, Reporter
from services.store.mailboxes.receipts import Receipt, receipt_of

log = structlog.get_logger(__name__)

MOST_UNNOTED = 1000  # in memory, while the database does not answer
NOTE_DEADLINE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Receipts:
    """`patience` is how long one is tried; it must be shorter than ingress remembers an idempotency key."""

    ledger: ReceiptLedger
    reporter: Reporter
    clock: Callable[[], datetime]
    patience: timedelta
    period: timedelta
    outcomes: Counter
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _unnoted: deque[Receipt] = field(default_factory=deque)

    @property
    def row(self) -> Periodic:
        """The background work."""
        return Periodic("receipts", self.round, self.period, self.wake)

    async def delivered(self, envelope: Envelope, raw: bytes, missed: Collection[str]) -> None:
        """The mail is durable in its mailboxes but those in `missed`. Never raises: nothing is to be repeated."""
        try:
            receipt = receipt_of(envelope, raw, missed=missed, now=self.clock())
            if receipt is not None:
                await self._note(receipt)
        except Exception as error:
            log.error("receipt_lost", id=envelope.id, exc_info=error)
            self.outcomes.labels("lost").inc()

    async def round(self) -> None:
        """Every receipt that is due. Raises `Temporary` when the database or ingress does not answer."""
        while self._unnoted:
            await self.ledger.note(self._unnoted[0])
            self._unnoted.popleft()
        await each(self._claims(), self._one, park=self._parked)

    async def _note(self, receipt: Receipt) -> None:
        try:
            async with asyncio.timeout(NOTE_DEADLINE.total_seconds()):
                await self.ledger.note(receipt)
        except (Temporary, TimeoutError) as error:
            self._remember(receipt, str(error) or "the database took too long")
        else:
            self.wake.set()

    def _remember(self, receipt: Receipt, reason: str) -> None:
        if len(self._unnoted) >= MOST_UNNOTED:
            log.error("receipt_lost", id=receipt.envelope.id, reason=reason)
            self.outcomes.labels("lost").inc()
            return
        log.warning("receipt_not_noted", id=receipt.envelope.id, reason=reason)
        self._unnoted.append(receipt)

    async def _claims(self) -> AsyncIterator[Receipt]:
        while receipt := await self.ledger.claim():
            yield receipt

    async def _one(self, receipt: Receipt) -> None:
        if self.clock() - receipt.noted_at > self.patience:
            await self._ended(receipt, "late")
            return
        try:
            recipients = await self.ledger.unreported(receipt)
            if recipients:
                await self.reporter.report(receipt.envelope, receipt.header, recipients, event="delivered")
        except Temporary as error:
            log.warning("receipt_waits", id=receipt.envelope.id, reason=error.reason)
            self.outcomes.labels("deferred").inc()
            raise
        except Permanent as error:
            await self._ended(receipt, "refused", error.reason)
        else:
            await self._ended(receipt, "told" if recipients else "told_already")

    async def _parked(self, receipt: Receipt, reason: str) -> None:
        await self._ended(receipt, "failed", reason)

    async def _ended(self, receipt: Receipt, state: str, reason: str = "") -> None:
        await self.ledger.ended(receipt.id, state)
        self.outcomes.labels(state).inc()
        if state.startswith("told"):
            log.info("receipt_ended", id=receipt.envelope.id, state=state, recipients=len(receipt.recipients))
        else:
            log.error("receipt_ended", id=receipt.envelope.id, state=state, reason=reason)
