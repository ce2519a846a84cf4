"""Letters of the services: lawful whatever strangers chose, single, and answered by no machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.mail.headers import Headers
from libs.mail.message import parse
from libs.neighbours.ingress import idempotency_key
from libs.postmaster import Letter, compose, plain

NOW = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
FIELDS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version"]


def a_letter(**given: Any) -> bytes:
    settled: dict[str, Any] = {
        "author_name": "Quarantine",
        "author": "postmaster@example.org",
        "to": "luc@example.net",
        "subject": "Hello",
        "text": "Bonjour\n",
        "key": "notice:1",
        "automatic": "auto-replied",
    }
    return compose(Letter(**{**settled, **given}), hostname="mail.example.org", now=NOW)


def read(raw: bytes) -> EmailMessage:
    """As a reader of another house takes it."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def assert_lawful(raw: bytes) -> None:
    assert raw.isascii()
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert parse(raw).defects == ()


def test_a_letter_is_read_as_it_was_meant() -> None:
    raw = a_letter(subject="Votre message à example.org", text="été\n", html="<p>été</p>", answers="<1@example.net>")
    assert_lawful(raw)
    message = read(raw)
    assert message["Subject"] == "Votre message à example.org"
    assert [part.get_content().strip() for part in message.iter_parts()] == ["été", "<p>été</p>"]
    assert message["In-Reply-To"] == message["References"] == "<1@example.net>"
    assert message["Auto-Submitted"] == "auto-replied"


def test_the_same_key_gives_the_same_message_id_and_another_key_another() -> None:
    ids = [read(a_letter(key=key))["Message-ID"] for key in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]


ODD = [
    '"=?utf-8?q?=0A?="@attacker.example',
    '"=?utf-8?q?=0D=0ABcc:_v@victim.example?="@attacker.example',
    '"v@victim.example,w@victim.example"@attacker.example',
    '"<v@victim.example>"@attacker.example',
    "mårten@example.org",
    "मेल@example.org",
    "x@xn--mnchen-3ya.test",
    "x" * 250 + "@example.org",
    "luc@example.net\r\nBcc: v@victim.example",
    "no address at all",
    "\udce9@example.org",
    "",
]


@pytest.mark.parametrize("address", ODD)
def test_no_address_adds_a_field_or_a_recipient_or_fails(address: str) -> None:
    raw = a_letter(to=address, subject=f"Quarantine: {address}", text=address, html=address, key=address)
    assert_lawful(raw)
    names = [name for name, _ in read(raw).items()]
    assert names[: len(FIELDS)] == FIELDS
    assert set(names[len(FIELDS) :]) <= {"Content-Type", "Content-Transfer-Encoding"}
    domains = [found.rpartition("@")[2] for _, found in Headers(raw).addresses("to")]
    assert len(domains) <= 1
    assert "victim.example" not in domains
    assert idempotency_key(address).isascii()


def test_an_account_outside_ascii_is_named_in_an_empty_group() -> None:
    raw = a_letter(to="mårten@example.org")
    assert re.search(rb"^To: =\?utf-8\?q\?m=C3=A5rten=40example=2Eorg\?= :;\r$", raw, re.MULTILINE)
    assert "mårten@example.org" in str(read(raw)["To"])


@pytest.mark.parametrize(
    "message_id", ["", "no brackets", "<a b@c>", "<a@b>\r\nBcc: v@d", "<é@b>", "<" + "a" * 300 + ">"]
)
def test_a_message_id_that_is_none_is_not_answered(message_id: str) -> None:
    assert b"In-Reply-To" not in a_letter(answers=message_id)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(max_size=300),
    field=st.sampled_from(["to", "subject", "text", "html", "answers", "key", "author_name"]),
)
def test_whatever_strangers_choose_the_fields_stay_those_of_the_composer(text: str, field: str) -> None:
    raw = a_letter(**{field: text})
    assert_lawful(raw)
    names = [name for name, _ in read(raw).items() if name not in ("In-Reply-To", "References")]
    assert names[: len(FIELDS)] == FIELDS
    assert set(names[len(FIELDS) :]) <= {"Content-Type", "Content-Transfer-Encoding"}


def test_texts_of_strangers_are_shown_on_one_line_without_tricks() -> None:
    assert plain("a\r\nb\u202e c\u200bd\x00 \t e") == "a b c d e"
