"""Mail that its mailboxes cannot take: who waits, who is bounced, what becomes a dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.envelope import Envelope, Permanent, Recipient, Temporary, Verdict
from libs.mail.dsn import FailedRecipient
from libs.telemetry import Metrics
from services.store.mailboxes.over_quota_bounce import OverQuotaBounce
from services.store.mailboxes.undelivered import NotDelivered

NOON = datetime(2030, 1, 10, 12, 0, tzinfo=UTC)
DAYS = timedelta(days=4)
SPAM = {"example.org": Verdict(spam=True, score=9, required=7.5, action="junk")}


class FakeDsnSender:
    """Records reports, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.reported: list[tuple[str, str]] = []

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        if self.error:
            raise self.error
        self.reported += [(recipient.address, recipient.status) for recipient in recipients]


def a_recipient(name: str = "marie", *, days: int = 0) -> Recipient:
    address = f"{name}@example.org"
    return Recipient(address=address, original=address, domain="example.org", waiting_since=NOON - timedelta(days=days))


def an_envelope(*recipients: Recipient, **given: Any) -> Envelope:
    settled = {"id": "1", "received_at": NOON, "size_bytes": 1, "sha256": "", "mail_from": "a@b.example"}
    return Envelope(**{**settled, "recipients": recipients, **given})


def a_bounce(sender: FakeDsnSender) -> OverQuotaBounce:
    counter = Metrics().counter("facteur_store_bounced_recipients", "-")
    return OverQuotaBounce(sender, lambda: NOON, DAYS, counter)


def over_quota(*names: str) -> NotDelivered:
    return NotDelivered("over quota", full=frozenset(f"{name}@example.org" for name in names))


async def test_mail_waits_from_its_first_failure_on() -> None:
    sender = FakeDsnSender()
    fresh = a_recipient().model_copy(update={"waiting_since": None})
    with pytest.raises(Temporary) as caught:
        await a_bounce(sender).wait(an_envelope(fresh), b"", over_quota("marie"))
    assert caught.value.narrowed is not None
    assert [recipient.waiting_since for recipient in caught.value.narrowed.recipients] == [NOON]
    assert sender.reported == []


async def test_a_recipient_that_waited_too_long_is_bounced_and_the_others_wait_on() -> None:
    sender = FakeDsnSender()
    envelope = an_envelope(a_recipient("marie", days=4), a_recipient("jean", days=1))
    with pytest.raises(Temporary) as caught:
        await a_bounce(sender).wait(envelope, b"", over_quota("marie", "jean"))
    assert caught.value.narrowed is not None
    assert [recipient.address for recipient in caught.value.narrowed.recipients] == ["jean@example.org"]
    assert sender.reported == [("marie@example.org", "5.2.2")]


async def test_mail_for_a_deleted_account_is_bounced_at_once() -> None:
    sender = FakeDsnSender()
    error = NotDelivered("former account", gone=frozenset({"marie@example.org"}))
    await a_bounce(sender).wait(an_envelope(a_recipient()), b"", error)
    assert sender.reported == [("marie@example.org", "5.1.1")]


@pytest.mark.parametrize(
    "given",
    [{"mail_from": ""}, {"verdicts": SPAM}, {"authentication": "spf=fail smtp.mailfrom=a@b.example"}],
    ids=["null sender", "spam", "forged"],
)
async def test_mail_whose_sender_must_not_be_notified_becomes_a_dead_letter(given: dict[str, Any]) -> None:
    sender = FakeDsnSender()
    with pytest.raises(Permanent, match="the sender is not told"):
        await a_bounce(sender).wait(an_envelope(a_recipient(days=4), **given), b"", over_quota("marie"))
    assert sender.reported == []


async def test_mail_whose_notification_is_refused_becomes_a_dead_letter() -> None:
    with pytest.raises(Permanent):
        await a_bounce(FakeDsnSender(Permanent("550"))).wait(an_envelope(a_recipient(days=4)), b"", over_quota("marie"))


async def test_with_ingress_away_the_mail_waits_on() -> None:
    with pytest.raises(Temporary, match="away"):
        await a_bounce(FakeDsnSender(Temporary("away"))).wait(
            an_envelope(a_recipient(days=4)), b"", over_quota("marie")
        )
