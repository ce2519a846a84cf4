"""Handlers of the queues: mail is delivered to mailboxes or put into the quarantine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog
from prometheus_client import Counter

from libs.blobs import Blobs
from libs.bus import Bus
from libs.envelope import Envelope, Mail, Permanent, Recipient, Temporary, check_actions
from libs.events import MailQuarantined
from libs.runtime import Route
from services.store.mailboxes.delivery import build_delivery, recipients_by_mailbox
from services.store.mailboxes.messages import Body, DeliveryOutcome
from services.store.mailboxes.mongo_delivery import MongoDelivery
from services.store.mailboxes.over_quota_bounce import OverQuotaBounce
from services.store.mailboxes.ports import MailboxLimits
from services.store.mailboxes.receipts import DeliveryReceipts
from services.store.mailboxes.undelivered import NotDelivered
from services.store.mailboxes.usage_publisher import UsagePublisher
from services.store.quarantine.model import accounts_of, domains_of, is_infected
from services.store.quarantine.mongo_quarantine import MongoQuarantine

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryHandler:
    """Handles `mail.store` and `mail.quarantine`. `large` bounds how many messages of the blob store are in memory."""

    deliveries: MongoDelivery
    quarantine: MongoQuarantine
    limits: MailboxLimits
    usage_publisher: UsagePublisher
    bounce: OverQuotaBounce
    receipts: DeliveryReceipts
    blobs: Blobs
    bus: Bus
    large: asyncio.Semaphore
    hostname: str
    deliveries_total: Counter
    on_quarantined: Callable[[], None]

    async def deliver(self, mail: Mail) -> Iterable[Route]:
        """Deliver to the mailboxes of the recipients. Mail for a full mailbox waits alone and is bounced in the end."""
        await self._with_body(mail, lambda body: self._deliver(mail, body))
        return ()

    async def _deliver(self, mail: Mail, body: Body) -> None:
        try:
            await self._place(mail.envelope, body)
        except Temporary as error:
            await self.bounce.wait(error.narrowed or mail.envelope, body.raw, error)

    async def _place(self, envelope: Envelope, body: Body) -> None:
        check_actions(envelope)
        wanted = recipients_by_mailbox(envelope)
        limits = await self.limits.of(wanted)
        outcome = await self.deliveries.deliver(build_delivery(envelope, body, limits=limits, hostname=self.hostname))
        self.usage_publisher.enqueue(outcome.usages)
        self.deliveries_total.labels("delivered").inc(len(wanted) - len(outcome.missed))
        await self.receipts.delivered(envelope, body.raw, outcome.missed)
        if outcome.missed:
            self._missed(envelope, wanted, outcome)

    def _missed(self, envelope: Envelope, wanted: Mapping[str, Recipient], outcome: DeliveryOutcome) -> None:
        """Raises `NotDelivered` for the recipients without a copy."""
        chosen = {
            "over quota": outcome.over_quota,
            "former account": outcome.gone,
            "account unknown": outcome.unknown,
        }
        for what, mailboxes in chosen.items():
            self.deliveries_total.labels(what.replace(" ", "_")).inc(len(mailboxes))
        raise NotDelivered(
            "mailboxes " + ", ".join(f"{what}: {len(mailboxes)}" for what, mailboxes in chosen.items() if mailboxes),
            narrowed=envelope.to(tuple(to for mailbox, to in wanted.items() if mailbox in outcome.missed)),
            full=frozenset(wanted[mailbox].address for mailbox in outcome.over_quota),
            gone=frozenset(wanted[mailbox].address for mailbox in outcome.gone),
        )

    async def hold(self, mail: Mail) -> Iterable[Route]:
        """Put the mail into the quarantine."""
        envelope = await self._with_body(mail, lambda body: self.quarantine.insert(mail.envelope, body))
        if envelope is None:
            log.info("quarantine_skipped", reason="the accounts of all recipients were deleted")
            return ()
        fact = MailQuarantined(
            id=envelope.id,
            reason=envelope.quarantine_reason,
            infected=is_infected(envelope),
            domains=domains_of(envelope),
            accounts=accounts_of(envelope.recipients),
        )
        await self.bus.emit(fact.to_bus())
        self.on_quarantined()
        return ()

    async def _with_body(self, mail: Mail, work: Callable[[Body], Awaitable[T]]) -> T:
        if mail.content is not None or mail.envelope.blob is None:
            return await work(_checked(mail))
        async with self.large:
            content = await self.blobs.get(mail.envelope.blob)
            return await work(_checked(Mail(mail.envelope, content)))


def _checked(mail: Mail) -> Body:
    """Check the digest: bodies are shared by it, so other bytes must never be stored under it. Raises `Permanent`."""
    body = Body.of(mail.raw)
    if body.id != mail.envelope.sha256:
        raise Permanent("the message is damaged: its SHA-256 differs from that of the envelope")
    return body
