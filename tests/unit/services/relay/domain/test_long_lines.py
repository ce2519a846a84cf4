"""Lines of more than 998 octets never leave, and who reads the mail finds the same in it."""

from __future__ import annotations

import base64
import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.relay.domain.header_words import CannotConvert
from services.relay.domain.long_lines import folded_field, has_long_line
from services.relay.domain.seven_bits import fitted

LONG = b"une ligne " * 400
HEAD = b"Subject: x\r\nMIME-Version: 1.0\r\n"


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", False),
        (b"x" * 998, False),
        (b"x" * 998 + b"\r\n", False),
        (b"x" * 999, True),
        (b"x" * 999 + b"\r\n", True),
        (b"a\r\n" * 5000 + b"x" * 998 + b"\r\n" + b"b\r\n" * 10, False),
        (b"a\r\n" * 5000 + b"x" * 999 + b"\r\n" + b"b\r\n" * 10, True),
        ((b"x" * 998 + b"\r\n") * 9, False),
    ],
)
def test_a_line_is_too_long_from_999_octets_on(octets: bytes, expected: bool) -> None:
    assert has_long_line(octets) is expected


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize("takes_8_bit", [True, False])
@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (HEAD + b"\r\n" + LONG + b"\r\n", LONG),
        (HEAD + b"Content-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + LONG + b"\r\n.\r\n", LONG),
        (HEAD + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
         + "é à ".encode() * 500 + b"\r\n", "é à ".encode() * 500),
        (HEAD + b"Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
         + base64.b64encode(LONG) + b"\r\n", LONG),
        (HEAD + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
         + LONG.replace(b"u", b"=75") + b"\r\n", LONG),
        (HEAD + b"Content-Type: application/x\r\n\r\n" + LONG + b"\r\n", LONG),
    ],
    ids=["no type", "7bit", "8bit", "base64", "quoted-printable", "application"],
)  # fmt: skip
def test_a_body_in_long_lines_is_encoded_and_reads_the_same(raw: bytes, content: bytes, takes_8_bit: bool) -> None:
    converted = fitted(raw, takes_8_bit=takes_8_bit)
    assert not has_long_line(converted)
    found = read(converted).get_payload(decode=True)
    assert isinstance(found, bytes)
    assert content in found


def test_only_the_part_with_long_lines_is_encoded() -> None:
    raw = (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + LONG + b"\r\n--b\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9t\xc3\xa9 "
        b"\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n" + LONG + b"\r\n--b--\r\n" + LONG
    )  # fmt: skip
    converted = fitted(raw, takes_8_bit=True)
    assert not has_long_line(converted)
    assert b"\r\n\r\n\xc3\xa9t\xc3\xa9 \r\n--b\r\n" in converted
    text, inner = read(converted).iter_parts()
    assert text.get_content().strip() == "été"
    assert inner.get_content().get_content().strip() == LONG.decode().strip()


@pytest.mark.parametrize(
    "field",
    [
        b"References: " + b"<a@b.example> " * 200 + b"<z@b.example>\r\n",
        b"To: " + b", ".join(b"r%d@far.example" % n for n in range(300)) + b"\r\n",
        b"Subject: " + LONG + b"end\r\n",
        b"X-Odd: short\r\n " + LONG + b"end\r\n folded\r\n",
    ],
)
def test_a_field_is_folded_where_it_has_white_space_and_unfolds_to_the_same(field: bytes) -> None:
    folded = folded_field(field)
    assert not has_long_line(folded)
    assert folded.replace(b"\r\n", b"") == field.replace(b"\r\n", b"")
    assert all(line.strip() for line in folded.removesuffix(b"\r\n").split(b"\r\n"))


def test_free_text_in_one_word_becomes_encoded_words_and_other_words_have_no_other_form() -> None:
    folded = folded_field(b"Subject: " + b"x" * 3000 + b"\r\n")
    assert not has_long_line(folded)
    assert str(read(folded + b"\r\n")["subject"]) == "x" * 3000
    with pytest.raises(CannotConvert):
        folded_field(b"Message-ID: <" + b"x" * 3000 + b"@b.example>\r\n")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.just(b"x" * 1200) | st.just(b" y" * 700), max_size=8), st.booleans())
def test_no_long_line_comes_out_of_anything(lines: list[bytes], takes_8_bit: bool) -> None:
    raw = b"\r\n".join(line.replace(b"\r", b"").replace(b"\n", b"") for line in lines) + b"\r\n"
    try:
        converted = fitted(raw, takes_8_bit=takes_8_bit)
    except CannotConvert:
        return
    assert not has_long_line(converted)
