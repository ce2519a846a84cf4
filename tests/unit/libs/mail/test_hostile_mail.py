"""Crafted messages: each must be read within bounds, and told from an honest one.

The numbers are those of the attack list in the security notes: 50 (header blocks), 56 (nesting), 59 (hidden content).
"""

import base64
import binascii
import quopri
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.choices import MOST
from libs.mail.defects import Defect
from libs.mail.limits import MessageLimits
from libs.mail.message import parse
from libs.mail.readings import other_readings
from libs.mail.transfer import uuencoded_files

# The test virus, put together here so that no scanner takes this file for it.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

MULTIPART = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'


def nested(levels: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(levels)
    )


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        pytest.param(nested(101), Defect.TOO_DEEP, id="101 multiparts inside each other"),
        pytest.param(nested(10_000), Defect.TOO_DEEP, id="10,000 multiparts inside each other"),
        pytest.param(b"Content-Type: message/rfc822\r\n\r\n" * 10_000, Defect.TOO_DEEP, id="10,000 embedded messages"),
        pytest.param(MULTIPART + b"--b\r\n\r\nx\r\n" * 50_000 + b"--b--", Defect.TOO_MANY_PARTS, id="50,000 parts"),
        pytest.param(MULTIPART + b"--b\n" * 1_000_000, Defect.TOO_MANY_PARTS, id="1,000,000 delimiters"),
        pytest.param(MULTIPART + b"--bx\n" * 1_000_000, Defect.BROKEN_BOUNDARY, id="1,000,000 lines like delimiters"),
        pytest.param(b"A: b\r\n" * 100_000, Defect.TOO_MANY_HEADERS, id="100,000 headers"),
        pytest.param(b"A: " + b"b" * 10_000_000, Defect.HEADERS_TOO_LARGE, id="header block of 10 MB"),
        pytest.param(b"x" * 1_000_000, Defect.MISSING_COLON, id="no header at all"),
        pytest.param(b"", Defect.NO_HEADERS, id="empty message"),
    ],
)
def test_what_exceeds_a_limit_is_told_and_takes_little_memory(raw: bytes, defect: Defect) -> None:
    tracemalloc.start()
    try:
        message = parse(raw)
        assert defect in message.defects
        assert len(list(message.parts())) <= MessageLimits().parts
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024 + len(raw)
    finally:
        tracemalloc.stop()


def test_multiparts_around_a_large_body_are_searched_within_a_budget() -> None:
    message = parse(nested(50) + b"\nx" * 100_000, MessageLimits(scanned_bytes=1_000_000))
    assert Defect.TOO_DEEP in message.defects
    assert len(list(message.parts())) == 5


def test_honest_nesting_within_the_limits_is_no_defect() -> None:
    closing = b"".join(b"\r\n--b%d--\r\n" % level for level in reversed(range(100)))
    message = parse(nested(100) + b"Subject: x\r\n\r\nhello" + closing)
    assert message.defects == ()
    assert [leaf.body() for leaf in message.leaves()] == [b"hello"]


def wrapped(field: str, body: bytes) -> bytes:
    return field.encode() + b"\r\n\r\n" + body


UUENCODED = b"begin 644 eicar.com\r\n" + binascii.b2a_uu(EICAR[:45]) + binascii.b2a_uu(EICAR[45:]) + b"`\r\nend\r\n"
IN_BASE64 = wrapped("Content-Transfer-Encoding: base64", base64.encodebytes(EICAR))
JUNKED = wrapped("Content-Transfer-Encoding: base64", base64.encodebytes(EICAR).replace(b"Q", b"!Q\0-"))
GLUED = base64.b64encode(b"x") + b"\r\n" + base64.b64encode(EICAR)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(wrapped("Subject: x", EICAR), id="plain"),
        pytest.param(IN_BASE64, id="base64"),
        pytest.param(JUNKED, id="base64 with junk"),
        pytest.param(wrapped("Content-Transfer-Encoding: BASE64 ; x=y", GLUED), id="base64 behind a padding"),
        pytest.param(wrapped("Content-Transfer-Encoding: quoted-printable", quopri.encodestring(EICAR)), id="QP"),
        pytest.param(wrapped("Content-Transfer-Encoding: x-uuencode", UUENCODED), id="uuencode"),
        pytest.param(wrapped("Content-Type: message/rfc822", IN_BASE64), id="in an embedded message"),
        pytest.param(
            wrapped("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64", base64.encodebytes(IN_BASE64)),
            id="in an encoded embedded message",
        ),
        pytest.param(MULTIPART + b"--b\r\n" + IN_BASE64, id="in a part never closed"),
        pytest.param(MULTIPART + b"--b--\r\n--b\r\n" + IN_BASE64, id="in a part behind the closing delimiter"),
        pytest.param(MULTIPART + b"--b\r\n" + IN_BASE64.replace(b"\r\n\r\n", b"\r\n"), id="without a blank line"),
        pytest.param(b"Content-Type: multipart/mixed\r\n" + IN_BASE64, id="in a multipart without boundary"),
        pytest.param(b"X: y\r\n" * 2_000 + b"\r\n" + EICAR, id="behind more headers than are read"),
        pytest.param(b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n" + IN_BASE64, id="in a digest"),
    ],
)
def test_content_is_found_however_it_is_wrapped(raw: bytes) -> None:
    assert any(EICAR in leaf.body() for leaf in parse(raw).leaves())


def test_a_file_uuencoded_into_a_text_is_found() -> None:
    (leaf,) = parse(wrapped("Content-Type: text/plain", b"Hello\r\n" + UUENCODED)).leaves()
    assert list(uuencoded_files(leaf.body())) == [("eicar.com", EICAR)]


def test_a_slice_of_a_message_is_told() -> None:
    raw = wrapped('Content-Type: message/partial; id="x"; number=1; total=2', EICAR[:30])
    assert Defect.PARTIAL_MESSAGE in parse(raw).defects


FRAGMENTS = [
    *(b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n", b"--b\r\n", b"--b--\r\n"),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x-uuencode\n", b"\r\n", b"\n", b"--b"),
    *(b"Content-Type: multipart/digest; boundary*0=b;;=\r\n", b" folded\r\n", b"aGVsbG8=\r\n", b"\0\xff:\r", b"x"),
    *(b"Content-Type: multipart/x; boundary=\xff\r\n", b"--\xff\n", b"Content-Disposition: a; filename*=x''%E9\"\r\n"),
]


@given(st.binary(max_size=300) | st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join))
def test_any_octets_are_read_within_the_limits_without_an_error(raw: bytes) -> None:
    limits = MessageLimits(depth=4, parts=9, header_count=3)
    message = parse(raw, limits)
    parts = list(message.parts())
    assert 1 <= len(parts) <= 9
    for part in parts:
        assert len(part.body()) <= len(raw)
        assert part.filename.isprintable()
        part.text().encode("utf-8")
        assert part.content_type.count("/") == 1
    assert set(message.defects) <= set(Defect)
    assert message.subject.isprintable() or "\ufffd" in message.subject
    assert isinstance(message.sender, str)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"A: b\n" + b"x\ny: z\n" * 50_000, id="odd lines"),
        pytest.param(b"A: b\n" + b"x\nX-A: z\n" * 50_000, id="odd lines between fields"),
        pytest.param(b"A: b\r" * 100_000, id="bare CR"),
        pytest.param(b"A: b\n \n" * 40_000, id="white lines"),
        pytest.param(b"Content-Type: multipart/mixed; " + b"boundary=x; " * 20_000 + b"\n\n--x\n\n", id="boundaries"),
        pytest.param(b"Content-Type: " + b"(" * 200_000 + b"\n\n", id="comments"),
        pytest.param(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--bx\n" * 100_000, id="near delimiters"),
        pytest.param(b"Content-Transfer-Encoding: base64\n\n" + b"QQ=Q!" * 100_000, id="base64"),
        pytest.param(b"Content-Disposition: a; " + b"filename=a (b); " * 10_000 + b"\n\n", id="names"),
    ],
)
def test_the_other_readings_are_bounded(raw: bytes) -> None:
    message = parse(raw)
    for leaf in message.leaves():
        leaf.body()
    readings = list(other_readings(message))
    assert len(readings) <= MessageLimits().readings
    assert sum(len(reading.raw) for reading in readings) <= MessageLimits().reading_bytes
    assert all(len(part.file_names) <= MOST + 2 for part in message.parts())
