"""Reading header blocks, honest and otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.defects import Defect
from libs.mail.headers import Headers
from libs.mail.limits import MessageLimits


def a_block(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_value_is_found_without_regard_to_case_and_unfolded() -> None:
    headers = Headers(a_block("Subject: Hello", "\tthere", "X-Empty:", "Received: one", "received: two") + b"body")
    assert headers.get("SUBJECT") == "Hello\tthere"
    assert headers.get("X-Empty") == ""
    assert headers.get("Missing") is None
    assert headers.decoded("Missing") == ""
    assert headers.all("Received") == ["one", "two"]
    assert headers.count("Received") == 2
    assert headers.count("Missing") == 0
    assert "subject" in headers
    assert len(headers) == 4
    assert list(headers)[-1] == ("received", "two")
    assert headers.defects == ()


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        pytest.param(b"A: b\r\n\r\nbody", b"body", id="CRLF"),
        pytest.param(b"A: b\n\nbody", b"body", id="LF"),
        pytest.param(b"A: b\n\r\nbody", b"body", id="mixed line ends"),
        pytest.param(b"\r\nbody", b"body", id="no fields"),
        pytest.param(b"A: b\r\nno field here\r\n\r\nbody", b"no field here\r\n\r\nbody", id="a line that is no field"),
        pytest.param(b"A: b\r\n", b"", id="only fields"),
        pytest.param(b"A: b", b"", id="a field without line end"),
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"From jean@x Mon Nov 23\r\nA: b\r\n\r\nbody", b"body", id="line of an mbox"),
    ],
)
def test_the_body_starts_behind_the_blank_line_or_at_the_first_line_that_is_no_field(raw: bytes, body: bytes) -> None:
    headers = Headers(raw)
    assert raw[headers.body_start :] == body
    assert headers.raw + body == raw


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        pytest.param(b"", Defect.NO_HEADERS, id="empty message"),
        pytest.param(b"\r\nbody", Defect.NO_HEADERS, id="only a body"),
        pytest.param(b"A: b\r\n", Defect.NO_BLANK_LINE, id="only fields"),
        pytest.param(b"A: b\r\nno colon\r\n\r\n", Defect.MISSING_COLON, id="line without colon"),
        pytest.param(b" folded\r\nA: b\r\n\r\n", Defect.MISSING_COLON, id="first line is a folded one"),
        pytest.param(b": no name\r\n\r\n", Defect.MISSING_COLON, id="no name"),
        pytest.param(b"From x@y Mon\r\nA: b\r\n\r\n", Defect.MBOX_LINE, id="line of an mbox"),
        pytest.param(b"A: b\r\n" * 1001 + b"\r\n", Defect.TOO_MANY_HEADERS, id="1,001 fields"),
        pytest.param(b"A: b\r\n" * 100_000 + b"\r\n", Defect.TOO_MANY_HEADERS, id="100,000 fields"),
        pytest.param(b"A: " + b"b" * 10_000_000 + b"\r\n\r\n", Defect.HEADERS_TOO_LARGE, id="10 MB in a field"),
        pytest.param(b"A: " + b"b\r\n " * 2_000_000 + b"\r\n\r\n", Defect.HEADERS_TOO_LARGE, id="10 MB of folds"),
        pytest.param(b"A: " + b"b" * 996 + b"\r\n\r\n", Defect.LINE_TOO_LONG, id="line of 999 octets"),
        pytest.param(b"A: b\rBcc: c\r\n\r\n", Defect.BARE_CR, id="bare CR"),
        pytest.param(b"A: b\0c\r\n\r\n", Defect.NUL, id="NUL"),
        pytest.param("A: é\r\n\r\n".encode(), Defect.EIGHT_BIT_HEADER, id="UTF-8"),
        pytest.param(b"From: a@x\r\nFrom: b@y\r\n\r\n", Defect.DUPLICATE_HEADER, id="two From"),
        pytest.param(b"Subject: a\r\nsubject: b\r\n\r\n", Defect.DUPLICATE_HEADER, id="two Subject"),
        pytest.param(b"Date: a\r\nDate: b\r\n\r\n", Defect.DUPLICATE_HEADER, id="two Date"),
        pytest.param(b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", Defect.DUPLICATE_HEADER, id="two types"),
    ],
)
def test_damage_is_reported_and_never_raised(raw: bytes, defect: Defect) -> None:
    headers = Headers(raw)
    assert defect in headers.defects
    assert not any("\n" in value or "\r" in value or "\0" in value for _, value in headers)


def test_an_honest_block_has_no_defect_at_its_limits() -> None:
    block = a_block("A: a", "B: b", "C: " + "c" * 995)
    assert Headers(block, MessageLimits(header_count=3, header_bytes=len(block) - 2)).defects == ()


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("limits", [MessageLimits(header_count=2), MessageLimits(header_bytes=12)])
def test_the_body_is_found_behind_more_fields_than_are_read(line_end: bytes, limits: MessageLimits) -> None:
    raw = line_end.join([b"A: a", b"B: b", b"C: c", b"D: d", b"", b"body", b"", b"more"])
    headers = Headers(raw, limits)
    assert len(headers) == 2
    assert raw[headers.body_start :].startswith(b"body")


def test_octets_that_are_not_utf_8_are_read_as_windows_1252() -> None:
    headers = Headers(b"A: caf\xe9\r\nB: \xc3\xa9\r\nC: \x80\r\n\r\n")
    assert [value for _, value in headers] == ["café", "é", "€"]


def test_a_value_can_be_had_as_octets() -> None:
    headers = Headers(b"A: x\r\n \xff\r\n\r\n")
    assert headers.octets("a") == b"x \xff"
    assert headers.octets("b") is None


def test_every_mailbox_of_every_from_field_is_seen() -> None:
    headers = Headers(a_block("From: a@x.example, b@y.example", "From: Evil <c@z.example>"))
    assert [address for _, address in headers.addresses("From")] == ["a@x.example", "b@y.example", "c@z.example"]


def test_the_number_of_addresses_is_bounded() -> None:
    headers = Headers(b"To: " + b"a@b," * 60_000 + b"\r\n\r\n")
    assert len(headers.addresses("To")) == MessageLimits().addresses


def test_an_encoded_word_cannot_smuggle_a_line_into_decoded_text() -> None:
    headers = Headers(a_block("Subject: =?utf-8?q?x=0D=0ABcc:_v=00?="))
    assert headers.decoded("Subject") == "x  Bcc: v "


@given(
    st.binary(max_size=400)
    | st.lists(st.sampled_from([b"A: b", b"\r\n", b"\n", b" x", b":", b"\r", b"\0"])).map(b"".join)
)
def test_any_octets_are_read_without_an_error(raw: bytes) -> None:
    headers = Headers(raw, MessageLimits(header_count=5, header_bytes=100))
    assert len(headers) <= 5
    assert 0 <= headers.body_start <= len(raw)
    for name, value in headers:
        value.encode("utf-8")
        assert headers.count(name) >= 1
        headers.addresses(name)
        assert headers.decoded(name) is not None
    assert set(headers.defects) <= set(Defect)
