"""Who hears that mail was given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from libs.envelope import Envelope, Mail, Permanent, Recipient, Temporary, Verdict
from libs.envelope.queues import ANTIVIRUS, QUARANTINE
from libs.mail.dsn import FailedRecipient
from libs.runtime.dead_letter_reports import MAX_PENDING, DeadLetterReports
from libs.telemetry import Metrics
from tests import builders

RAW = b"From: a@else.where\r\nSubject: hello\r\n\r\nbody\r\n"
SPAM = Verdict(spam=True, score=9, required=5)
JEAN = Recipient(address="jean@example.org", domain="example.org")


def a_mail(*recipients: Recipient, **fields: Any) -> Mail:
    return builders.a_mail(*(recipients or (JEAN,)), raw=RAW, **{"sha256": "", "mail_from": "a@else.where", **fields})


@dataclass
class Reports:
    error: Exception | None = None
    sent: list[tuple[str, bytes, list[tuple[str, str]]]] = field(default_factory=list)

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((envelope.mail_from, raw, [(each.address, each.status) for each in recipients]))


def counted(metrics: Metrics) -> list[str]:
    lines = [
        line
        for line in metrics.render().decode().splitlines()
        if line.startswith("facteur_messages_dead_lettered_total{")
    ]
    return [line.split('sender="')[1].split('"')[0] for line in lines]


CASES = {
    "known_to_nobody_yet": (ANTIVIRUS, a_mail(), "told"),
    "null_sender": (ANTIVIRUS, a_mail(mail_from=""), "silent"),
    "spam": (ANTIVIRUS, a_mail(verdicts={"example.org": SPAM}), "silent"),
    "spam_that_a_person_released": (ANTIVIRUS, a_mail(verdicts={"example.org": SPAM}, released=True), "told"),
    "wants_not_to_hear": (ANTIVIRUS, a_mail(JEAN.model_copy(update={"notify": ("NEVER",)})), "silent"),
    "wants_to_hear_of_success": (ANTIVIRUS, a_mail(JEAN.model_copy(update={"notify": ("SUCCESS",)})), "silent"),
    "wants_to_hear": (ANTIVIRUS, a_mail(JEAN.model_copy(update={"notify": ("failure",)})), "told"),
    "held_in_the_quarantine": (QUARANTINE, a_mail(), "silent"),
    "unreadable": (ANTIVIRUS, None, "unreadable"),
}


@pytest.mark.parametrize(("queue", "mail", "outcome"), CASES.values(), ids=CASES.keys())
async def test_the_sender_hears_of_it_unless_that_would_be_backscatter(
    queue: str, mail: Mail | None, outcome: str
) -> None:
    reports, metrics = Reports(), Metrics()
    await DeadLetterReports(reports, cast(Any, None), metrics).tell(queue, mail, waited_out=False)
    assert counted(metrics) == [outcome]
    assert bool(reports.sent) == (outcome == "told")


async def test_the_notification_names_recipients_as_the_sender_knows_them_and_says_why() -> None:
    aliased = (JEAN.model_copy(update={"original": "info@example.org"}), JEAN)
    reports = Reports()
    burials = DeadLetterReports(reports, cast(Any, None), Metrics())
    await burials.tell(ANTIVIRUS, a_mail(*aliased), waited_out=True)
    await burials.tell(ANTIVIRUS, a_mail(), waited_out=False)
    assert [(to, recipients) for to, _, recipients in reports.sent] == [
        ("a@else.where", [("info@example.org", "4.4.7"), ("jean@example.org", "4.4.7")]),
        ("a@else.where", [("jean@example.org", "5.3.0")]),
    ]
    assert {raw for _, raw, _ in reports.sent} == {RAW}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Temporary("ingress is away"), "late"), (Permanent("not taken"), "refused"), (ValueError("a bug"), "refused")],
    ids=["away", "refused", "bug"],
)
async def test_a_notification_that_fails_keeps_no_mail_from_the_dead_letters(error: Exception, outcome: str) -> None:
    metrics = Metrics()
    await DeadLetterReports(Reports(error), cast(Any, None), metrics).tell(ANTIVIRUS, a_mail(), waited_out=False)
    assert counted(metrics) == [outcome]


async def test_those_for_whom_ingress_was_away_hear_later_once() -> None:
    reports = Reports(Temporary("ingress is away"))
    burials = DeadLetterReports(reports, cast(Any, None), Metrics())
    for _ in range(MAX_PENDING + 1):
        await burials.tell(ANTIVIRUS, a_mail(), waited_out=False)
    with pytest.raises(Temporary):
        await burials.send_pending()
    reports.error = None
    await burials.send_pending()
    await burials.send_pending()
    assert len(reports.sent) == MAX_PENDING
    assert all(b"Subject" in raw and b"body" not in raw for _, raw, _ in reports.sent), "headers are what is kept"
