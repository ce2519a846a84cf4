"""Notices and digests contain nothing that a spammer could exploit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from libs.envelope import Envelope, Recipient
from services.store.mailboxes.messages import Summary
from services.store.quarantine.digest import DigestContent, DigestEntry
from services.store.quarantine.letters import QuarantineLetters
from services.store.quarantine.links import QuarantineLink, TokenSigner
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.notice import NoticePlan

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
MARIE = Recipient(address="marie@example.org", original="m@alias.example", domain="example.org")
JEAN = Recipient(address="jean@example.org", domain="example.org")
LETTERS = QuarantineLetters(TokenSigner([b"s"]), "https://mail.example.org", "mail.example.org", "postmaster")


def a_notice(subject: str) -> EmailMessage:
    envelope = Envelope(
        id="1",
        received_at=NOON,
        mail_from="luc@elsewhere.example",
        recipients=(MARIE, JEAN),
        size_bytes=1,
        sha256="",
    )
    summary = Summary(subject, "", "", "<x@elsewhere.example>", None)
    held = QuarantinedMessage("1-a", envelope, "", summary, NOON, LATER)
    plan = NoticePlan((MARIE.address,), (), "en")
    return parsed(LETTERS.notice(held, plan, QuarantineLink("validate", "1-a", LATER), domain="example.org", now=NOON))


def a_digest(sender: str, subject: str, count: int = 1) -> EmailMessage:
    content = DigestContent([DigestEntry("1-a", sender, subject, NOON, LATER, (MARIE.address,))], count)
    return parsed(LETTERS.digest("marie@example.org", content, language="en", domain="example.org", now=NOON))


def parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_a_notice_answers_the_message_and_names_the_recipients_as_the_sender_wrote_them() -> None:
    letter = a_notice("lunch")
    assert (letter["To"], letter["From"].addresses[0].addr_spec) == ("luc@elsewhere.example", "postmaster@example.org")
    assert (letter["Auto-Submitted"], letter["In-Reply-To"]) == ("auto-replied", "<x@elsewhere.example>")
    assert "m@alias.example" in text_of(letter)
    assert "marie@" not in text_of(letter)
    assert "jean@" not in text_of(letter)
    assert "lunch" in text_of(letter)


@pytest.mark.parametrize(
    "subject",
    ["visit https://x.example", "www.x.example", "x.example", "write a@b", "call +33 1 23 45 67 89", "bit.ly/x"],
)
def test_a_notice_never_repeats_a_subject_that_advertises(subject: str) -> None:
    letter = a_notice(subject)
    assert subject not in text_of(letter)
    assert subject not in text_of(letter, "html")


def test_a_digest_escapes_what_strangers_wrote() -> None:
    letter = a_digest("<script>@x.example", "a\r\nb <b>")
    html = text_of(letter, "html")
    assert "<script>" not in html
    assert "a b &lt;b&gt;" in html
    assert "a b <b>" in text_of(letter)


def test_a_digest_counts_the_messages_that_it_does_not_list() -> None:
    letter = a_digest("luc@elsewhere.example", "s", count=5)
    assert letter["Subject"] == "Quarantine: 5 messages are waiting for marie@example.org"
    assert "And 4 more" in text_of(letter)
    assert "more" not in text_of(a_digest("luc@elsewhere.example", "s"))
