"""Mail that is broken in the ways in which readers differ: made of honest lines and odd ones, in any order."""

from __future__ import annotations

from base64 import encodebytes

from hypothesis import strategies as st

# In two halves, so that no scanner takes this file for one.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
ATTACHED = encodebytes(EICAR).replace(b"\n", b"\r\n")

ODD_LINES = (
    *(b" ", b"\t", b"  \t ", b":x", b":", b"garbage", b"garbage with words", b">From a@b Fri Nov 27 06:00:00 2026"),
    *(
        b"From a@b Fri Nov 27 06:00:00 2026",
        b"From : a@b",
        b" folded",
        b"\xef\xbb\xbfX-A: b",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
    ),
    *(
        b"Foo Bar: x",
        b"Suj\xc3\xa9t: x",
        b"Suj\xe9t: x",
        b"X-A\xa0: b",
        b"=?utf-8?q?X?=: y",
        b"\x00",
        b"a\x00: b",
        b"\x0b",
        b"-",
        b"--",
    ),
)
_FIELDS = (
    *(b"From: a@sender.example", b"Subject: s", b"To: c@d.example", b"X-Spam-Flag: NO", b"Return-Path: <x@y.example>"),
    *(b"x-facteur-id : forged", b"Authentication-Results: h; spf=pass", b"MIME-Version: 1.0", b"X-A: b\r\n\tfolded"),
    *(b"Content-Type: multipart/mixed; boundary=abc", b"Content-Type: text/plain", b"Content-Type: message/rfc822"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable"),
    *(b'Content-Type: application/octet-stream; name="a.com"', b"X-A: b\r\n \r\n c"),
)
_BODIES = (
    b"",
    b"",
    b"text",
    b"--abc",
    b"--abc--",
    b"--abc ",
    b"----abc",
    ATTACHED,
    b"Content-Type: text/html",
    b"a: b",
)
_LINE_ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b""])
_LINES = st.sampled_from([*_FIELDS, *_FIELDS, *ODD_LINES, *_BODIES])

broken_mail = st.lists(st.tuples(_LINES, _LINE_ENDS), max_size=24).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def a_carrier(*lines: bytes) -> bytes:
    """A message whose attachment is the test virus, with these lines before its fields."""
    fields = (
        *(b"From: a@sender.example", b"Subject: s", b"MIME-Version: 1.0"),
        *(b"Content-Type: multipart/mixed; boundary=abc", b"", b"--abc"),
        *(b"Content-Type: application/octet-stream", b"Content-Transfer-Encoding: base64"),
        *(b'Content-Disposition: attachment; filename="a.com"', b"", ATTACHED, b"--abc--", b""),
    )
    return b"\r\n".join((*lines, *fields))
