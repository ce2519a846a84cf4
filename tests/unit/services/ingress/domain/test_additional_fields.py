"""Header fields that an author may set."""

from __future__ import annotations

import pytest

from services.ingress.domain.additional_fields import additional_fields, message_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Campaign", "autumn"),
        ("List-Id", "News <news.example.org>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("AUTO-SUBMITTED", "auto-generated"),
    ],
)
def test_known_fields_are_written_as_given(name: str, value: str) -> None:
    assert additional_fields({name: value}) == f"{name}: {value}\r\n".encode()


def test_long_values_are_folded() -> None:
    lines = additional_fields({"X-Long": "word " * 100, "List-Help": "<https://example.org/>, " * 30}).split(b"\r\n")
    assert max(map(len, lines)) <= 78


@pytest.mark.parametrize(
    "name",
    ["From", "Sender", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "References", "Reply-To", "MIME-Version",
     "Content-Type", "Content-ID", "Received", "Return-Path", "Delivered-To", "DKIM-Signature", "ARC-Seal",
     "Authentication-Results", "Resent-From", "X-Facteur-Id", "x-facteur-peer", "X-Spam-Status", "X-Original-To",
     "Unknown", "", "X-", "X-A B", "X-A:", "X-A\r\nBcc", "X-É", "X-" + "a" * 100],
)  # fmt: skip
def test_no_other_field_can_be_set(name: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        additional_fields({name: "x"})


@pytest.mark.parametrize("value", ["", " ", "a\r\nBcc: v@example.com", "a\nb", "a\0", "a\u2028b", "\ud800", "x" * 2001])
def test_a_value_is_one_printable_line(value: str) -> None:
    for name in ("X-A", "List-Help"):
        with pytest.raises(ValueError, match="printable"):
            additional_fields({name: value})


@pytest.mark.parametrize("value", ["<https://é.example/>", "x" * 801])
def test_structured_fields_have_no_encoded_words(value: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        additional_fields({"List-Help": value})


def test_a_field_is_there_once_and_there_are_at_most_50() -> None:
    with pytest.raises(ValueError, match="twice"):
        additional_fields({"X-A": "1", "x-a": "2"})
    with pytest.raises(ValueError, match="at most"):
        additional_fields({f"X-{n}": "1" for n in range(51)})


@pytest.mark.parametrize("text", ["a@b", "<a@b>", " <a@b> "])
def test_a_message_id_gets_its_brackets(text: str) -> None:
    assert message_id(text) == "<a@b>"


@pytest.mark.parametrize(
    "text", ["", "<>", "a", "<a b@c>", "<a@b><c@d>", "a@b\r\n", "é@b", "<a@b", "a@b@c", "a@" + "b" * 250]
)
def test_what_is_no_message_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="form"):
        message_id(text)
