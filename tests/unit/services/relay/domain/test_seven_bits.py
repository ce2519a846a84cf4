"""Mail for servers of 7 bits: other readers find the same text, names and files in it."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.relay.domain.header_words import CannotConvert, seven_bit_header
from services.relay.domain.seven_bits import in_seven_bits

NESTED = "\r\n".join([
    'From: "é, b" <a@b.example>, Zoé Dupré (été) <z@b.example>',
    "Subject: é à",
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="b(1)--"',
    "",
    "avant é",
    "--b(1)--",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
    "",
    "été",
    ".",
    "--b(1)--",
    'Content-Type: application/x-odd; name="é.bin"',
    'Content-Disposition: attachment; filename="é.bin"',
    "",
    "ÿþ",
    "--b(1)--",
    "",
    "sans en-tête",
    "--b(1)--",
    "Content-Type: message/rfc822",
    "",
    "Subject: dedans é",
    "",
    "corps é",
    "--b(1)--",
    "Content-Type: text/plain",
    "",
    "ascii  stays",
    "--b(1)----",
    "après é",
]).encode()  # fmt: skip


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_other_readers_find_the_same_in_it() -> None:
    converted = in_seven_bits(NESTED)
    assert converted.isascii()
    message = read(converted)
    assert (message["subject"], [(a.display_name, a.addr_spec) for a in message["from"].addresses]) == (
        "é à", [("é, b", "a@b.example"), ("Zoé Dupré", "z@b.example")],
    )  # fmt: skip
    text, file, bare, inner, plain = message.iter_parts()
    assert text.get_content().splitlines() == ["été", "."]
    assert (file.get_filename(), file.get_content()) == ("é.bin", "ÿþ".encode())
    assert bare.get_content() == "sans en-tête"
    assert (inner.get_content()["subject"], inner.get_content().get_content()) == ("dedans é", "corps é")
    assert b"\r\n\r\nascii  stays\r\n--b(1)--" in converted
    assert plain["content-transfer-encoding"] is None


def test_what_is_ascii_keeps_each_octet() -> None:
    raw = b"Subject: x  y\r\nX-Odd:\r\n folded\r\n\r\nbody \r\n"
    assert in_seven_bits(raw) is raw


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"Content-Transfer-Encoding: base64\r\n\r\n\xe9\r\n", "called base64, and is not"),
        ("From: é@b.example\r\n\r\nx".encode(), "an address that is not ASCII"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n\xe9\r\n", "no part to be found"),
    ],
)
def test_what_has_no_such_form_is_told(raw: bytes, word: str) -> None:
    with pytest.raises(CannotConvert):
        assert in_seven_bits(raw) is None, word


def test_text_of_which_nobody_said_the_charset_is_called_so() -> None:
    assert b"charset=utf-8\r\n" in in_seven_bits("X: y\r\n\r\né\r\n".encode())
    assert b"charset=unknown-8bit\r\n" in in_seven_bits(b"X: y\r\n\r\n\xe9\r\n")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_nothing_but_ascii_comes_out_of_anything(octets: bytes) -> None:
    try:
        converted = in_seven_bits(octets)
        header = seven_bit_header(octets)
    except CannotConvert:
        return
    assert converted.isascii()
    assert header.isascii()


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=60))
def test_a_subject_survives(subject: str) -> None:
    header = f"Subject: {subject}\r\n".encode()
    wanted = " ".join(subject.split())
    assert " ".join(str(read(seven_bit_header(header))["subject"]).split()) == wanted or header.isascii()
