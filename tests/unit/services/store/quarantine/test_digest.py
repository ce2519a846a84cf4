"""Periods of digests, and what an account finds in its digest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from libs.envelope import Envelope, Finding, Recipient, Verdict
from services.store.mailboxes.messages import Summary
from services.store.quarantine.digest import SHOWN, DigestBuilder, DigestPeriod, period_due
from services.store.quarantine.model import QuarantinedMessage

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)  # a Wednesday


SPAM = Verdict(spam=True, score=9, required=7, action="quarantine")


MARIE = Recipient(
    address="marie@example.org", original="m@alias.org", domain="example.org", account="marie@example.org"
)


JEAN = Recipient(address="jean@example.net", domain="example.net", account="jean@example.net")


def envelope(*recipients: Recipient, **given: Any) -> Envelope:
    settled: dict[str, Any] = {
        "mail_from": "luc@elsewhere.example",
        "verdicts": {"example.org": SPAM, "example.net": SPAM},
    }
    return Envelope(
        id="1", received_at=NOON, recipients=recipients or (MARIE,), size_bytes=1, sha256="", **{**settled, **given}
    )


def held(*recipients: Recipient, **given: Any) -> QuarantinedMessage:
    return QuarantinedMessage("1-a", envelope(*recipients, **given), "", Summary("s", "", "", "", None), NOON, NOON)


TODAY, MONDAY = NOON.replace(hour=6), NOON.replace(hour=6, day=1) - timedelta(days=1)


DAY, WEEK = timedelta(days=1), timedelta(days=7)


@pytest.mark.parametrize(
    ("often", "sent_until", "now", "due"),
    [
        ("daily", None, NOON, DigestPeriod(TODAY - DAY, TODAY)),
        ("daily", TODAY, NOON, None),
        ("daily", TODAY - DAY, NOON, DigestPeriod(TODAY - DAY, TODAY)),
        ("daily", TODAY - 3 * DAY, NOON, DigestPeriod(TODAY - 3 * DAY, TODAY)),
        ("daily", TODAY - DAY, TODAY + timedelta(minutes=1), None),  # what came last may not be visible yet
        ("weekly", None, NOON, DigestPeriod(MONDAY - WEEK, MONDAY)),
        ("weekly", MONDAY, NOON + timedelta(days=4), None),
        ("weekly", MONDAY, NOON + timedelta(days=5), DigestPeriod(MONDAY, MONDAY + WEEK)),
        ("weekly", TODAY, NOON, None),  # it was daily before
    ],
)
def test_periods_follow_one_another(
    often: Literal["daily", "weekly"], sent_until: datetime | None, now: datetime, due: DigestPeriod | None
) -> None:
    assert period_due(often, hour=6, sent_until=sent_until, now=now) == due


def test_each_account_hears_of_its_own_addresses_once() -> None:
    alias = MARIE.model_copy(update={"address": "m@example.org"})
    list_of_many = Recipient(address="all@example.org", domain="example.org")
    builder = DigestBuilder("example.org")
    builder.add(held(MARIE, alias, JEAN, list_of_many))
    builder.add(held(MARIE, findings=(Finding(stage="antivirus", name="clamav", outcome="infected"),)))
    assert list(builder.accounts) == ["marie@example.org"]
    told = builder.accounts["marie@example.org"]
    assert told.count == 1
    assert told.waiting[0].recipients == ("marie@example.org", "m@example.org")
    assert told.waiting[0].sender == "luc@elsewhere.example"


def test_a_flood_is_counted_and_not_all_shown() -> None:
    builder = DigestBuilder("example.org")
    for _ in range(SHOWN + 5):
        builder.add(held(MARIE))
    told = builder.accounts["marie@example.org"]
    assert (told.count, len(told.waiting)) == (SHOWN + 5, SHOWN)
