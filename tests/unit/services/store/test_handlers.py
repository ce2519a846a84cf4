"""Mail of the queues: the body is checked, and recipients without a copy are named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

import pytest

from libs.bus import Event
from libs.envelope import Envelope, Mail, Permanent, Recipient, Temporary
from libs.telemetry import Metrics
from services.store.handlers import DeliveryHandler
from services.store.mailboxes.messages import Body, DeliveryOutcome, MailboxDelivery, MailboxUsage
from services.store.mailboxes.undelivered import NotDelivered

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
RAW = b"Subject: x\r\n\r\nbody\r\n"
NAMES = ("marie", "jean", "luc")


class World:
    """All that the handler uses; deliveries end with `outcome`."""

    def __init__(self, outcome: DeliveryOutcome | None = None, held: bool = True) -> None:
        self.outcome = outcome or DeliveryOutcome(())
        self.held = held
        self.waiting: list[Temporary] = []
        self.published: list[MailboxUsage] = []
        self.missed: frozenset[str] = frozenset()
        self.events: list[str] = []
        self.fetched: list[str] = []
        self.woken = 0

    async def of(self, addresses: Iterable[str]) -> dict[str, int | None]:
        return dict.fromkeys(addresses)

    async def deliver(self, delivery: MailboxDelivery) -> DeliveryOutcome:
        return self.outcome

    def enqueue(self, usages: Iterable[MailboxUsage]) -> None:
        self.published += usages

    async def wait(self, envelope: Envelope, raw: bytes, error: Temporary) -> None:
        self.waiting.append(error)

    async def delivered(self, envelope: Envelope, raw: bytes, missed: frozenset[str]) -> None:
        self.missed = missed

    async def insert(self, envelope: Envelope, body: Body) -> Envelope | None:
        return envelope if self.held else None

    async def get(self, blob: str) -> bytes:
        self.fetched.append(blob)
        return RAW

    async def emit(self, event: Event) -> None:
        self.events.append(event.name)

    def wake(self) -> None:
        self.woken += 1


def a_handler(world: World) -> DeliveryHandler:
    given = cast(Any, world)
    return DeliveryHandler(
        deliveries=given,
        quarantine=given,
        limits=given,
        usage_publisher=given,
        bounce=given,
        receipts=given,
        blobs=given,
        bus=given,
        large=asyncio.Semaphore(1),
        hostname="mail.example.org",
        deliveries_total=Metrics().counter("facteur_store_mailbox_deliveries", "-", ("outcome",)),
        on_quarantined=world.wake,
    )


def a_mail(raw: bytes | None = RAW, **given: Any) -> Mail:
    recipients = tuple(Recipient(address=f"{name}@example.org", domain="example.org") for name in NAMES)
    settled = {"id": "1", "received_at": NOON, "size_bytes": len(RAW), "sha256": sha256(RAW).hexdigest()}
    return Mail(Envelope(**{**settled, "recipients": recipients, **given}), raw)


def counted(handler: DeliveryHandler, outcome: str) -> float:
    return float(handler.deliveries_total.labels(outcome)._value.get())


async def test_recipients_without_a_copy_wait_and_are_counted_by_reason() -> None:
    marie, jean, luc = (f"{name}@example.org" for name in NAMES)
    outcome = DeliveryOutcome((MailboxUsage(luc, 1, 1, 1),), over_quota=frozenset({marie}), gone=frozenset({jean}))
    world = World(outcome)
    handler = a_handler(world)
    await handler.deliver(a_mail())
    [error] = world.waiting
    assert isinstance(error, NotDelivered)
    assert error.narrowed is not None
    assert [recipient.address for recipient in error.narrowed.recipients] == [marie, jean]
    assert error.full == {marie}
    assert error.gone == {jean}
    assert [counted(handler, name) for name in ("delivered", "over_quota", "former_account")] == [1, 1, 1]
    assert world.missed == {marie, jean}
    assert [usage.address for usage in world.published] == [luc]


@pytest.mark.parametrize("handle", [DeliveryHandler.deliver, DeliveryHandler.hold])
async def test_a_damaged_message_is_never_stored_under_the_digest_of_another(handle: Callable[..., Any]) -> None:
    with pytest.raises(Permanent, match="SHA-256"):
        await handle(a_handler(World()), a_mail(b"damaged"))


async def test_a_large_message_is_fetched_from_the_blob_store() -> None:
    world = World()
    with suppress(Temporary):
        await a_handler(world).deliver(a_mail(None, blob="blob-1"))
    assert world.fetched == ["blob-1"]
    assert world.waiting == []


@pytest.mark.parametrize(("held", "events", "woken"), [(True, ["MailQuarantined"], 1), (False, [], 0)])
async def test_quarantined_mail_is_announced_unless_all_accounts_are_gone(
    held: bool, events: list[str], woken: int
) -> None:
    world = World(held=held)
    await a_handler(world).hold(a_mail())
    assert (world.events, world.woken) == (events, woken)
