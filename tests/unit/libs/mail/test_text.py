"""Whatever octets a message has, the text that is read from it can be carried by UTF-8."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webencodings.labels import LABELS

from libs.mail.message import parse
from libs.mail.transfer import uuencoded_files
from tests.specimens.broken_mail import broken_carriers, broken_mail
from tests.specimens.foreign_mail import FOREIGN

CHARSETS = st.sampled_from(sorted({*LABELS, "utf-7", "hz", "x-mac-ce", "cp65001", "unknown"}))
LOOSE = st.binary(max_size=40) | st.sampled_from(
    [b"+2AA-", b"\xed\xa0\x80", b"=D8=00", b"\xd8\x00", b"%ED%A0%80", b"&#xD800;"]
)


def texts(raw: bytes) -> list[str]:
    """All that this package reads as text out of a message."""
    message = parse(raw)
    found = [message.subject, message.sender, *(text for field in message.headers for text in field)]
    found += [text for pair in message.headers.addresses("From") for text in pair]
    for part in message.parts():
        found += [part.text(), part.content_type, part.charset, part.disposition, part.encoding, *part.file_names]
        found += [*part.parameters.parameters.values(), *(value for _, value in part.headers)]
    return [*found, *(name for name, _ in uuencoded_files(raw))]


@settings(deadline=None)
@given(raw=broken_mail | broken_carriers())
def test_no_surrogate_comes_out_of_broken_mail(raw: bytes) -> None:
    for text in texts(raw):
        text.encode("utf-8")


@settings(deadline=None)
@given(charset=CHARSETS, octets=LOOSE)
def test_no_surrogate_comes_out_of_any_charset(charset: str, octets: bytes) -> None:
    name = charset.encode()
    raw = b"\r\n".join((
        b"Subject: =?" + name + b"?q?" + octets.replace(b"\n", b"") + b"?=",
        b"From: " + octets.replace(b"\n", b"") + b" <a@b.example>",
        b"Content-Type: text/html; charset=" + name + b"; name*=" + name + b"''" + octets.replace(b"\n", b""),
        b"", octets, b"begin 644 " + octets.replace(b"\n", b""), b"end", b"",
    ))  # fmt: skip
    for text in texts(raw):
        text.encode("utf-8")


@pytest.mark.parametrize("raw", FOREIGN.values(), ids=FOREIGN)
def test_no_surrogate_comes_out_of_mail_of_other_systems(raw: bytes) -> None:
    for text in texts(raw):
        text.encode("utf-8")
