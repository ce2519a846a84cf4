"""Digests of a domain: one account that cannot be told keeps no other from its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.envelope import Envelope, Permanent, Recipient, Temporary
from libs.telemetry import Metrics
from services.store.mailboxes.messages import Summary
from services.store.quarantine.digest import DigestPeriod
from services.store.quarantine.digest_sender import GIVE_UP_AFTER, DigestSender
from services.store.quarantine.letters import QuarantineLetters
from services.store.quarantine.links import TokenSigner
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.notice import NoticePolicy

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
NAMES = ("jean", "marie", "luc")


@dataclass
class Ledger:
    """One domain, one message for each account."""

    accounts: set[str] = field(default_factory=set)
    finished: list[DigestPeriod] = field(default_factory=list)

    async def domains(self) -> list[str]:
        return ["", "example.org"]

    async def sent_until(self, domain: str) -> datetime | None:
        return self.finished[-1].until if self.finished else None

    async def claim(self, domain: str, period: DigestPeriod) -> bool:
        return True

    async def complete(self, domain: str, period: DigestPeriod) -> None:
        self.finished.append(period)

    async def was_sent(self, account: str, domain: str, period: DigestPeriod) -> bool:
        return account in self.accounts

    async def mark_sent(self, account: str, domain: str, period: DigestPeriod) -> None:
        self.accounts.add(account)

    async def entries(self, domain: str, period: DigestPeriod) -> AsyncIterator[QuarantinedMessage]:
        for name in NAMES:
            to = Recipient(address=f"{name}@example.org", domain="example.org", account=f"{name}@example.org")
            envelope = Envelope(id="1", received_at=NOON, recipients=(to,), size_bytes=1, sha256="")
            yield QuarantinedMessage(f"1-{name}", envelope, "", Summary("s", "x@y.example", "", "", None), NOON, NOON)


@dataclass
class MailSubmission:
    """Fails for some."""

    failing: dict[str, Exception] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    async def send(self, letter: bytes, *, to: str, key: str) -> None:
        if to in self.failing:
            raise self.failing[to]
        self.sent.append(to)


class Daily:
    async def of(self, domain: str) -> NoticePolicy:
        return NoticePolicy(digest="daily")


def digests(schedule: Ledger, post: MailSubmission, now: datetime) -> DigestSender:
    letters = QuarantineLetters(TokenSigner([b"secret"]), "https://mail.example.org", "mail.example.org", "postmaster")
    outcomes = Metrics().counter("digests", "Digests.", ("outcome",))
    return DigestSender(
        schedule=schedule, policies=Daily(), post=post, letters=letters, hour=6, clock=lambda: now, outcomes=outcomes
    )


async def test_the_others_get_theirs_and_the_missing_one_is_tried_again_for_a_while() -> None:
    schedule, post = Ledger(), MailSubmission({"marie@example.org": Temporary("full")})
    await digests(schedule, post, NOON).round()
    assert (post.sent, schedule.finished) == (["jean@example.org", "luc@example.org"], [])
    await digests(schedule, post, NOON).round()
    assert len(post.sent) == 2
    post.failing.clear()
    await digests(schedule, post, NOON).round()
    assert (post.sent[2:], len(schedule.finished)) == (["marie@example.org"], 1)


async def test_at_last_the_period_is_over_without_it() -> None:
    schedule, post = Ledger(), MailSubmission({"marie@example.org": Temporary("full")})
    await digests(schedule, post, NOON.replace(hour=6) + GIVE_UP_AFTER + timedelta(minutes=1)).round()
    assert len(schedule.finished) == 1


async def test_an_account_whose_digest_cannot_be_written_keeps_no_other_from_its_own_and_is_not_met_again() -> None:
    schedule, post = Ledger(), MailSubmission({"jean@example.org": ValueError("a bug")})
    await digests(schedule, post, NOON).round()
    await digests(schedule, post, NOON).round()
    assert (post.sent, len(schedule.accounts), len(schedule.finished)) == (
        ["marie@example.org", "luc@example.org"],
        3,
        1,
    )


async def test_an_account_that_is_gone_ends_nothing() -> None:
    schedule, post = Ledger(), MailSubmission({"marie@example.org": Permanent("no such mailbox")})
    await digests(schedule, post, NOON).round()
    assert (len(post.sent), len(schedule.accounts), len(schedule.finished)) == (2, 3, 1)


@dataclass
class Policies:
    """Answers with a policy, or fails."""

    answer: NoticePolicy | Exception

    async def of(self, domain: str) -> NoticePolicy:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        pytest.param(NoticePolicy(digest="off"), 0, id="the domain wants none"),
        pytest.param(Permanent("no such domain"), 0, id="a remote domain, to which outgoing mail was held"),
        pytest.param(ValueError("a bug"), 1, id="a bug"),
    ],
)
async def test_a_domain_without_a_policy_for_digests_gets_none_and_ends_no_round(
    answer: NoticePolicy | Exception, failed: int
) -> None:
    schedule, post = Ledger(), MailSubmission()
    sender = replace(digests(schedule, post, NOON), policies=Policies(answer))
    await sender.round()
    assert (post.sent, schedule.finished) == ([], [])
    assert sender.outcomes.labels("failed")._value.get() == failed
