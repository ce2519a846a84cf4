"""Successes that senders asked to hear of: who is reported, and that no error touches the delivery."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from libs.envelope import Envelope, Permanent, Recipient, Temporary, Verdict
from libs.mail.dsn import FailedRecipient
from libs.telemetry import Metrics
from services.store.mailboxes.receipts import MAX_IN_MEMORY, DeliveryReceipt, DeliveryReceipts, build_receipt
from tests import builders

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
RAW = b"Subject: x\r\nFrom: a@b.example\r\n\r\nbody\r\n"
ASKED = ("SUCCESS",)


def a_recipient(address: str = "marie@example.org", **given: Any) -> Recipient:
    return Recipient(**{"address": address, "original": address, "domain": "example.org", "notify": ASKED, **given})


def an_envelope(*recipients: Recipient, **given: Any) -> Envelope:
    usual = {"id": "1", "received_at": NOON, "mail_from": "a@b.example", "envid": "E 1"}
    return builders.an_envelope(*recipients, raw=RAW, **{**usual, **given})


def reported(envelope: Envelope, *missed: str) -> list[tuple[str, str]]:
    receipt = build_receipt(envelope, RAW, missed=missed, now=NOON)
    return [(each.address, each.action.value) for each in receipt.recipients] if receipt else []


@pytest.mark.parametrize(
    ("recipients", "missed", "expected"),
    [
        ([a_recipient()], [], [("marie@example.org", "delivered")]),
        ([a_recipient()], ["marie@example.org"], []),
        ([a_recipient(), a_recipient("jean@example.org")], ["marie@example.org"], [("jean@example.org", "delivered")]),
        ([a_recipient(original="Alias@example.org")], [], [("Alias@example.org", "delivered")]),
        ([a_recipient(original="list@example.org", expanded=True)], [], [("list@example.org", "expanded")]),
        ([a_recipient(original="x@example.org"), a_recipient("jean@example.org", original="X@example.org")], [],
         [("x@example.org", "delivered")]),
        ([a_recipient(notify=("FAILURE",)), a_recipient("jean@example.org", notify=())], [], []),
        ([a_recipient(notify=("NEVER",))], [], []),
    ],
)  # fmt: skip
def test_who_got_it_is_reported_as_the_sender_knows_them(
    recipients: list[Recipient], missed: list[str], expected: list[tuple[str, str]]
) -> None:
    assert reported(an_envelope(*recipients), *missed) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"mail_from": ""},
        {"verdicts": {"example.org": Verdict(spam=True, score=9, required=5)}},
        {"authentication": "spf=fail smtp.mailfrom=a@b.example"},
    ],
)
def test_a_forged_sender_hears_of_no_success(given: dict[str, Any]) -> None:
    assert reported(an_envelope(a_recipient(), **given)) == []


def test_the_same_batch_is_the_same_receipt_and_another_one_is_another() -> None:
    marie, jean = a_recipient(), a_recipient("jean@example.org")
    batches = [(marie, jean), (jean, marie), (marie,)]
    ids = [cast(DeliveryReceipt, build_receipt(an_envelope(*batch), RAW, missed=(), now=NOON)).id for batch in batches]
    assert ids[0] == ids[1] != ids[2]


class FakeQueue:
    """In memory; `broken` raises."""

    def __init__(self) -> None:
        self.noted: list[DeliveryReceipt] = []
        self.ends: list[str] = []
        self.broken: Exception | None = None

    async def store(self, receipt: DeliveryReceipt) -> None:
        if self.broken:
            raise self.broken
        self.noted.append(receipt)

    async def claim(self) -> DeliveryReceipt | None:
        return self.noted.pop(0) if self.noted else None

    async def unreported(self, receipt: DeliveryReceipt) -> tuple[FailedRecipient, ...]:
        return receipt.recipients

    async def finish(self, id: str, state: str) -> None:
        self.ends.append(state)


class World:
    """Receipts over a ledger, with a way to ingress that raises what `away` says."""

    def __init__(self) -> None:
        self.now = NOON
        self.queue = FakeQueue()
        self.away: Exception | None = None
        self.letters: list[tuple[str, ...]] = []
        counter = Metrics().counter("facteur_store_delivery_receipts", "-", ("outcome",))
        hours = timedelta(hours=12)
        self.receipts = DeliveryReceipts(self.queue, self, lambda: self.now, hours, timedelta(seconds=10), counter)

    async def report(self, envelope: Any, raw: bytes, recipients: Any, *, event: str) -> None:
        if self.away:
            raise self.away
        self.letters.append(tuple(each.address for each in recipients))

    async def deliver(self) -> None:
        await self.receipts.delivered(an_envelope(a_recipient()), RAW, ())

    def count(self, outcome: str) -> float:
        return float(self.receipts.outcomes.labels(outcome)._value.get())


async def test_while_the_database_is_away_a_receipt_waits_in_memory_up_to_a_bound() -> None:
    world = World()
    world.queue.broken = Temporary("no primary")
    for _ in range(MAX_IN_MEMORY + 2):
        await world.deliver()
    assert world.count("lost") == 2
    with pytest.raises(Temporary):
        await world.receipts.round()
    world.queue.broken = None
    await world.receipts.round()
    assert len(world.letters) == MAX_IN_MEMORY


async def test_a_bug_behind_a_delivery_never_repeats_it() -> None:
    world = World()
    world.queue.broken = ValueError("a bug")
    await world.deliver()
    assert world.count("lost") == 1


@pytest.mark.parametrize(
    ("away", "later", "end"),
    [
        (None, timedelta(0), "sent"),
        (Permanent("550"), timedelta(0), "refused"),
        (ValueError("a bug"), timedelta(0), "failed"),
        (None, timedelta(hours=13), "expired"),
    ],
)
async def test_each_receipt_has_one_end_and_it_is_counted(away: Exception | None, later: timedelta, end: str) -> None:
    world = World()
    await world.deliver()
    world.away, world.now = away, NOON + later
    await world.receipts.round()
    assert (world.queue.ends, world.count(end)) == ([end], 1)


async def test_while_ingress_is_away_a_receipt_stays_due() -> None:
    world = World()
    await world.deliver()
    world.away = Temporary("ingress is away")
    with pytest.raises(Temporary):
        await world.receipts.round()
    assert (world.queue.ends, world.count("deferred")) == ([], 1)
