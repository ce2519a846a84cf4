"""How long mail waits for its mailbox, and who hears of the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.envelope import Envelope, Recipient, Temporary, Verdict
from services.store.mailboxes.undelivered import NotDelivered, expired, failed_recipient, start_waiting
from tests import builders

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SPAM = {"example.org": Verdict(spam=True, score=9, required=7.5, action="junk")}
HAM = {"example.org": Verdict(spam=False, score=1, required=7.5)}


def a_recipient(**given: Any) -> Recipient:
    return Recipient(**{"address": "marie@example.org", "domain": "example.org", **given})


def an_envelope(**given: Any) -> Envelope:
    return builders.an_envelope(**{"id": "1", "received_at": NOON, "size_bytes": 1, "mail_from": "a@b.c", **given})


def test_each_recipient_waits_from_its_own_first_try() -> None:
    old, new = a_recipient(waiting_since=NOON - 4 * DAY), a_recipient(address="jean@example.org")
    both = start_waiting((old, new), NOON)
    assert [recipient.waiting_since for recipient in both] == [NOON - 4 * DAY, NOON]
    assert expired(both, NOON, 4 * DAY) == (old,)
    assert expired(both, NOON - timedelta(seconds=1), 4 * DAY) == ()


HER = frozenset({"marie@example.org"})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotDelivered("full", full=HER), "5.2.2"),
        (NotDelivered("deleted", gone=HER), "5.1.1"),
        (NotDelivered("not known"), "4.4.7"),
        (Temporary("away"), "4.4.7"),
    ],
)
def test_the_report_names_the_address_that_the_sender_knows(error: Temporary, status: str) -> None:
    report = failed_recipient(a_recipient(original="team@example.org", orcpt="rfc822;x@y.z"), error)
    assert (report.address, report.original, report.status) == ("team@example.org", "rfc822;x@y.z", status)
    assert failed_recipient(a_recipient(), error).address == "marie@example.org"
