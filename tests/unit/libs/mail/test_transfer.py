"""Transfer encodings, undone as clients undo them."""

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.defects import Defect
from libs.mail.transfer import (
    decode_base64,
    decode_body,
    decode_quoted_printable,
    decode_uuencode,
    uuencoded_files,
    yencoded_files,
)


def a_uuencoded_file(octets: bytes, name: str = "x.com") -> bytes:
    lines = [binascii.b2a_uu(octets[start : start + 45]) for start in range(0, len(octets), 45)]
    return f"begin 644 {name}\n".encode() + b"".join(lines) + b"`\nend\n"


@pytest.mark.parametrize(
    ("encoded", "decoded", "defect"),
    [
        pytest.param(b"aGVsbG8=", b"hello", None, id="plain"),
        pytest.param(b"aGVs\r\nbG8=\r\n", b"hello", None, id="lines"),
        pytest.param(b"aGVsbG8", b"hello", Defect.BAD_BASE64, id="padding missing"),
        pytest.param(b"aGVsbG8h====\n", b"hello!", None, id="padding too long"),
        pytest.param(b"a*G!V\0s-bG8=", b"hello", Defect.BAD_BASE64, id="junk between"),
        pytest.param(b"aGVsbG8=d29ybGQ=", b"helloworld", Defect.BAD_BASE64, id="two pieces glued together"),
        pytest.param(b"aGVsbG8=\r\nd29ybGQ", b"helloworld", Defect.BAD_BASE64, id="text behind the padding"),
        pytest.param(b"aGVsbG8hA", b"hello!", Defect.BAD_BASE64, id="one character too many"),
        pytest.param(b"=aGVsbG8=", b"hello", Defect.BAD_BASE64, id="padding first"),
        pytest.param(b"", b"", None, id="nothing"),
    ],
)
def test_base64_is_decoded_whatever_stands_between(encoded: bytes, decoded: bytes, defect: Defect | None) -> None:
    assert decode_base64(encoded) == (decoded, defect)


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        pytest.param(b"caf=C3=A9", b"caf\xc3\xa9", id="plain"),
        pytest.param(b"caf=c3=a9", b"caf\xc3\xa9", id="lower-case hexadecimal"),
        pytest.param(b"EIC=\r\nAR", b"EICAR", id="soft line break"),
        pytest.param(b"EIC= \t\r\nAR", b"EICAR", id="soft line break with space behind it"),
        pytest.param(b"EIC=\rAR\nx", b"EICAR\nx", id="soft line break of a bare CR hides nothing"),
        pytest.param(b"a=\r\nb\r\nc", b"ab\r\nc", id="hard line breaks stay what they are"),
        pytest.param(b"a  \r\nb", b"a  \r\nb", id="space at the end of a line"),
        pytest.param(b"a=XYb=", b"a=XYb", id="malformed"),
        pytest.param(b"a_b", b"a_b", id="underscore is no space in a body"),
    ],
)
def test_quoted_printable_is_decoded_whatever_stands_between(encoded: bytes, decoded: bytes) -> None:
    assert decode_quoted_printable(encoded) == (decoded, None)


@pytest.mark.parametrize("encoding", ["x-uuencode", "uuencode", "x-uue", "uue"])
def test_uuencode_is_decoded_under_each_of_its_names(encoding: str) -> None:
    octets = bytes(range(200))
    assert decode_body(encoding, b"text before\r\n" + a_uuencoded_file(octets) + b"text behind") == (octets, None)


def test_uuencode_without_begin_or_with_a_checksum_is_decoded() -> None:
    line = binascii.b2a_uu(b"hello world").rstrip()
    assert decode_uuencode(line + b"X\r\n`\r\nend\r\n") == (b"hello world", None)
    assert decode_uuencode(b"M\x80\x81\n") == (b"", Defect.BAD_UUENCODE)


def test_files_inside_a_text_are_found() -> None:
    encoded64 = b"begin-base64 644 b.com\n" + base64.encodebytes(b"second") + b"====\n"
    text = b"Hello\r\n" + a_uuencoded_file(b"first", "a b.com") + b"and\n" + encoded64 + b"begin again"
    assert list(uuencoded_files(text)) == [("a b.com", b"first"), ("b.com", b"second")]
    assert list(uuencoded_files(b"we begin 644 times")) == []


def test_crafted_uuencode_is_bounded() -> None:
    assert len(list(uuencoded_files(b"begin 644 a\nend\n" * 5_000))) == 1_000
    assert decode_uuencode(b"!\n" * 500_000)[1] is Defect.BAD_UUENCODE


@pytest.mark.parametrize("encoding", ["", "7bit", "8bit", "binary"])
def test_identity_encodings_change_nothing(encoding: str) -> None:
    assert decode_body(encoding, b"a\0\xff\r") == (b"a\0\xff\r", None)


def test_an_unknown_encoding_is_left_as_it_stands() -> None:
    assert decode_body("x-yenc", b"abc") == (b"abc", Defect.UNKNOWN_ENCODING)


@pytest.mark.parametrize("piece", [b"A=", b"=", b"!A", b"= ", b" ", b"=\r", b"=\n", b"M\n", b"begin 644 a\n", b"\n"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "x-uuencode"])
def test_crafted_bodies_are_decoded_in_one_pass(piece: bytes, encoding: str) -> None:
    octets = piece * (500_000 // len(piece))
    assert len(decode_body(encoding, octets)[0]) <= len(octets)


@given(st.binary(max_size=300))
def test_what_was_encoded_comes_back(octets: bytes) -> None:
    assert decode_base64(base64.encodebytes(octets)) == (octets, None)
    assert decode_quoted_printable(binascii.b2a_qp(octets, quotetabs=True, istext=False))[0] == octets
    assert decode_uuencode(a_uuencoded_file(octets)) == (octets, None)


@given(
    st.sampled_from(["base64", "quoted-printable", "x-uuencode", "7bit", "x-else"]),
    st.binary(max_size=100) | st.text("AaM=+/ \r\n`!begin64", max_size=100).map(str.encode),
)
def test_any_octets_decode_to_no_more_octets_without_an_error(encoding: str, octets: bytes) -> None:
    assert len(decode_body(encoding, octets)[0]) <= len(octets)


def test_a_yencoded_file_is_found_in_a_text() -> None:
    octets = bytes(range(256)) * 3
    coded = b"".join(
        b"=" + bytes(((octet + 106) & 255,)) if (octet + 42) & 255 in b"\0\r\n=" else bytes(((octet + 42) & 255,))
        for octet in octets
    )
    lines = b"\r\n".join(coded[at : at + 128] for at in range(0, len(coded), 128))
    text = b"hello\r\n=ybegin line=128 size=768 name=a b.exe\r\n" + lines + b"\r\n=yend size=768\r\nbye\r\n"
    assert list(yencoded_files(text)) == [("a b.exe", octets)]
    assert list(yencoded_files(text.partition(b"=yend")[0].rstrip())) == [("a b.exe", octets)]
    assert list(yencoded_files(b"=ybegin and no more")) == []
