"""Who is told what, and when: notices and digests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from libs.envelope import Envelope, Finding, Recipient, Verdict
from libs.mail.headers import Headers
from libs.network import network_of
from libs.postmaster import plain
from services.store.mailboxes.messages import Summary
from services.store.quarantine.digest import SHOWN, DigestBuilder, DigestPeriod, period_due
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.notice import NoticePlan, NoticePolicy, is_automatic, no_notice_reason, plan_notice
from services.store.quarantine.pages import language_of

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


@pytest.mark.parametrize(
    ("fields", "automatic"),
    [
        ("", False),
        ("Auto-Submitted: no\r\n", False),
        ("Auto-Submitted: No ; x=y\r\n", False),
        ("Auto-Submitted: auto-generated\r\n", True),
        ("AUTO-SUBMITTED: (comment) auto-replied\r\n", True),
        ("Precedence: List\r\n", True),
        ("Precedence: first-class\r\n", False),
        ("List-Unsubscribe: <mailto:x@example.com>\r\n", True),
        ("X-Auto-Response-Suppress: OOF\r\n", True),
        ("X-Auto-Response-Suppress: None\r\n", False),
        ("Content-Type: multipart/report; boundary=x\r\n", True),
        ("Feedback-ID: 1:2:3\r\n", True),
    ],
)
def test_machines_are_known_by_their_headers(fields: str, automatic: bool) -> None:
    assert is_automatic(Headers(f"From: a@example.com\r\n{fields}\r\n".encode())) is automatic


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("luc@elsewhere.example", ""),
        ("norman@elsewhere.example", ""),
        ("noreply@elsewhere.example", "automatic"),
        ("NO-REPLY-1@elsewhere.example", "automatic"),
        ("list-request@elsewhere.example", "automatic"),
        ("owner-list@elsewhere.example", "automatic"),
        ("srs0=abc=de=x=y@elsewhere.example", "automatic"),
        ("MAILER-DAEMON@elsewhere.example", "automatic"),
        ("luc@localhost", "no_address"),
        ("lüc@elsewhere.example", "no_address"),
        ("no address", "no_address"),
        ("", "null_sender"),
    ],
)
def test_senders_whom_nobody_answers(sender: str, reason: str) -> None:
    assert no_notice_reason(envelope(mail_from=sender), Headers(b"\r\n")) == reason


def test_a_finding_of_the_envelope_counts_like_one_of_the_verdict_and_a_miss_does_not() -> None:
    for outcome, reason in (("hit", "forged"), ("error", "forged"), ("miss", "")):
        finding = Finding(stage="antispam", name="dmarc", outcome=outcome)
        assert no_notice_reason(envelope(findings=(finding,)), Headers(b"\r\n")) == reason


def test_a_plan_names_those_whose_domains_agree() -> None:
    policies = {"example.org": NoticePolicy(language="fr"), "example.net": NoticePolicy(validation_whitelists=False)}
    assert plan_notice(envelope(MARIE, JEAN), policies) == NoticePlan(
        (MARIE.address, JEAN.address), ("example.org",), "fr"
    )
    policies["example.org"] = NoticePolicy(notices=False)
    assert plan_notice(envelope(MARIE, JEAN), policies) == NoticePlan((JEAN.address,), (), "en")
    assert plan_notice(envelope(MARIE), policies) is None


@pytest.mark.parametrize("sender", ["a@example.org", "a@EXAMPLE.org", "a@alias.org"])
def test_own_senders_are_those_of_any_name_of_the_domain(sender: str) -> None:
    policies = {"example.org": NoticePolicy(notices_to_own_senders=False)}
    assert plan_notice(envelope(mail_from=sender), policies) is None


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


def test_texts_of_strangers_are_shown_on_one_line_without_tricks() -> None:
    assert plain("a\r\nb\u202e c\u200bd\x00 \t e") == "a b c d e"


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("", ""), ("unknown", "unknown")],
)
def test_an_ipv6_peer_counts_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("fr-FR,fr;q=0.9,en;q=0.8", "fr"), ("de, en-GB, fr", "en"), ("de", "en"), ("x" * 9999, "en")],
)
def test_the_language_is_the_first_that_we_speak(accepted: str, language: str) -> None:
    assert language_of(accepted) == language
