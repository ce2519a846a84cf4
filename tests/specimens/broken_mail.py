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


# How the same thing is said in ways in which readers differ. `%b` is the boundary.
_TYPES = (
    *(b"Content-Type: multipart/mixed; boundary=%b", b'Content-Type: multipart/mixed; boundary="%b"'),
    *(b"Content-Type: multipart/mixed; boundary=%b (note)", b"Content-Type: multipart/mixed; (note) boundary=%b"),
    *(b"Content-Type: (a;b) multipart/mixed; boundary=%b", b"Content-Type: multipart/mixed boundary=%b"),
    *(b"Content-Type: multipart (x) / mixed; boundary=%b", b"Content-Type: multipart; boundary=%b"),
    *(b"Content-Type: multipart/mixed; boundary=other; boundary=%b", b"Content-Type: multipart/mixed; boundary='%b'"),
    *(
        b"Content-Type: multipart/mixed; boundary=%b; boundary=other",
        b"Content-Type: multipart/mixed; boundary=%b garbage",
    ),
    *(b"Content-Type: multipart/mixed; boundary*=us-ascii''%b", b"Content-Type: multipart/mixed; boundary*0=%b"),
    *(b"Content-Type: multipart/mixed; boundary*=''%b; boundary=other", b'Content-Type: multipart/mixed; boundary="%b'),
    *(
        b"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=%b",
        b"content-type:multipart/mixed;boundary=%b",
    ),
    *(
        b"Content-Type: multipart/mixed; boundary=%b\r\nContent-Type: text/plain",
        b"Content-Type : multipart/mixed; boundary=%b",
    ),
    *(b"Content-Type:\r\n\tmultipart/mixed;\r\n\tboundary=%b", b"Content-Type: multipart/mixed;\r\n \r\n boundary=%b"),
    *(b"Content-Type: multipart/mixed; boundary = %b", b"Content-Type: multipart/mixed; x=y\\; boundary=%b"),
    *(b'Content-Type: multipart/mixed; x="; boundary=other"; boundary=%b', b"Content-Type: multipart/mixed"),
    *(b'Content-Type: multipart/mixed; boundary="%b "', b'Content-Type: multipart/mixed; boundary="\\%b"'),
    *(
        b'Content-Type: multipart/mixed; boundary="=?utf-8?q?%b?="',
        b"Content-Type: =?utf-8?q?multipart/mixed?=; boundary=%b",
    ),
    *(
        b"Content-Type: message/rfc822",
        b"Content-Type: multipart/digest; boundary=%b",
        b"Content-Type: x; boundary=%b",
        b"X: y",
    ),
)
_ENCODINGS = (
    *(
        b"base64",
        b"BASE64",
        b"(x) base64",
        b"base64 (x)",
        b'"base64"',
        b"base64;",
        b"base64; x=y",
        b"x base64",
        b"base64 x",
    ),
    *(
        b"base64\r\nContent-Transfer-Encoding: 7bit",
        b"7bit\r\nContent-Transfer-Encoding: base64",
        b" base64 ",
        b"base 64",
    ),
    *(
        b"\r\n base64",
        b"=?utf-8?q?base64?=",
        b"base-64",
        b"x-base64",
        b"quoted-printable",
        b"base64,7bit",
        b"8bit",
        b"bin",
    ),
)
_NAMES = (b"", b'Content-Disposition: attachment; filename="a.com"', b"Content-Disposition: inline", b"garbage")
_DELIMITERS = (
    b"--%b",
    b"--%b",
    b"--%b",
    b"--%b ",
    b"--%b\t",
    b"--%bx",
    b"--%b--",
    b" --%b",
    b"-- %b",
    b"----%b",
    b"--%b-",
)
_PAYLOADS = (
    *(ATTACHED, ATTACHED, ATTACHED.replace(b"\r\n", b""), ATTACHED[:20] + b"\r\n" + ATTACHED[20:], b"====" + ATTACHED),
    *(
        b"YQ==" + ATTACHED,
        ATTACHED[:40] + b"=" + ATTACHED[40:],
        ATTACHED[:40] + b"!-" + ATTACHED[40:],
        ATTACHED + b"-- footer",
    ),
    *(
        ATTACHED[:33] + b" \r\n\r\n " + ATTACHED[33:],
        EICAR.replace(b"=", b"=3D").replace(b"E", b"=45"),
        b"\r\n" + ATTACHED,
    ),
    *(EICAR[:30].replace(b"=", b"=3D") + b"=\r\n" + EICAR[30:], ATTACHED[:-4], ATTACHED[1:], b"a\r\n" + ATTACHED),
)
_BOUNDARIES = (
    b"abc",
    b"abc",
    b"a b",
    b"=_a",
    b"a'b",
    b"----=_Part.1",
    b"a(b)c",
    b"a:b",
    b"x" * 71,
    b"\xe9",
    b"a;b",
    b"-",
)


def _mostly(usual: bytes, odd: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Too much damage at once and nobody finds anything."""
    return st.sampled_from((*(usual,) * len(odd), *odd))


_ODD = _mostly(b"", ODD_LINES)


@st.composite
def broken_carriers(draw: st.DrawFn) -> bytes:
    """The test virus as an attachment, told in odd ways; whether anybody finds it is for the witnesses to say."""
    boundary = draw(_mostly(b"abc", _BOUNDARIES))
    lines = [
        draw(_ODD),
        draw(st.sampled_from((b"Content-Type: application/octet-stream", b"Content-Type: text/plain", b"X: y"))),
        b"Content-Transfer-Encoding: " + draw(_mostly(b"base64", _ENCODINGS)),
        draw(st.sampled_from(_NAMES)),
    ]
    part = [*filter(None, lines), b"", draw(_mostly(ATTACHED, _PAYLOADS))]
    inner = draw(_mostly(b"xyz", (b"abc", b"abcd", boundary)))
    for mark in (inner, boundary)[draw(st.integers(0, 1)) :]:
        part = draw(_wrapped(part, mark))
    end = draw(_mostly(b"\r\n", (b"\n", b"\r")))
    raw = b"\r\n".join((b"From: a@sender.example", b"MIME-Version: 1.0", *part, b""))
    return raw.replace(b"\r\n", end)


@st.composite
def _wrapped(draw: st.DrawFn, part: list[bytes], mark: bytes) -> list[bytes]:
    """The part in a multipart with this boundary."""
    fields = [draw(_ODD), draw(_mostly(_TYPES[0], _TYPES)), draw(_ODD)]
    if draw(st.integers(0, 5)) == 0:
        fields.append(b"Content-Transfer-Encoding: " + draw(st.sampled_from(_ENCODINGS)))
    opening, closing = draw(_mostly(b"--%b", _DELIMITERS)), draw(_mostly(b"--%b--", (b"--%b", b"")))
    lines = [*filter(None, fields), b"", b"preamble", opening, *part, closing]
    return [line.replace(b"%b", mark) for line in lines]
