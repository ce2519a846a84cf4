"""Which mail gets a notice, and what the notice does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.envelope import Envelope, Finding, Peer, Recipient, Verdict
from libs.mail.headers import Headers
from libs.network import network_of
from services.store.quarantine.notice import NoticePlan, NoticePolicy, is_automatic, no_notice_reason, plan_notice

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


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("", ""), ("unknown", "unknown")],
)
def test_an_ipv6_peer_counts_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"findings": (Finding(stage="antivirus", name="clamav", outcome="infected"),)}, "malware"),
        ({"verdicts": {}}, "not_spam"),
        ({"peer": Peer(account="luc@example.org")}, "own_user"),
        ({"listener": "submission"}, "own_user"),
        ({"findings": (Finding(stage="antispam", name="honeypot", outcome="hit"),)}, "banned"),
    ],
)
def test_mail_that_gets_no_notice_whatever_the_policy(fields: dict[str, Any], reason: str) -> None:
    assert no_notice_reason(envelope(**fields), Headers(b"\r\n")) == reason


def test_an_automatic_message_gets_no_notice() -> None:
    assert no_notice_reason(envelope(), Headers(b"Precedence: list\r\n\r\n")) == "automatic"
