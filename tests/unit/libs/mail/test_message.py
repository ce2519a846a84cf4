"""The MIME tree of honest and careless mail."""

import pytest

from libs.mail.defects import Defect
from libs.mail.limits import MessageLimits
from libs.mail.message import Message, parse


def a_message(*lines: str) -> Message:
    return parse("\r\n".join(lines).encode())


def an_alternative_with_attachment() -> Message:
    return a_message(
        *("From: =?utf-8?q?Jean_=C3=89t=C3=A9?= <jean@example.net>", "Subject: =?utf-8?q?Caf=C3=A9?="),
        *("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="outer"', ""),
        *("preamble", "--outer", "Content-Type: multipart/alternative; boundary=inner", ""),
        *("--inner", "Content-Type: text/plain; charset=iso-8859-1"),
        *("Content-Transfer-Encoding: quoted-printable", "", "caf=E9", "--inner"),
        *("Content-Type: text/html; charset=utf-8", "", "<p>café</p>", "", "--inner--", "", "--outer"),
        *('Content-Type: application/pdf; name="ignored.pdf"', "Content-Transfer-Encoding: base64"),
        *(
            "Content-Disposition: attachment; filename*=utf-8''%C3%A9t%C3%A9.pdf",
            "",
            "aGVsbG8=",
            "--outer--",
            "end",
            "",
        ),
    )


def types(message: Message) -> list[str]:
    return [part.content_type for part in message.parts()]


def bodies(message: Message) -> list[bytes]:
    return [leaf.body() for leaf in message.leaves()]


def test_a_common_message_is_read() -> None:
    message = an_alternative_with_attachment()
    assert message.subject == "Café"
    assert message.sender == "Jean Été <jean@example.net>"
    assert types(message) == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf")
    ]
    plain, html, pdf = message.leaves()
    assert plain.text() == "café"
    assert (html.charset, html.text()) == ("utf-8", "<p>café</p>\r\n")
    assert (pdf.disposition, pdf.filename, pdf.encoding, pdf.body()) == ("attachment", "été.pdf", "base64", b"hello")
    assert message.defects == ()


def test_a_part_shows_its_own_octets_without_a_copy() -> None:
    pdf = list(an_alternative_with_attachment().leaves())[-1]
    assert bytes(pdf.raw).startswith(b"Content-Type: application/pdf")
    assert bytes(pdf.raw).endswith(b"aGVsbG8=")


def test_a_message_without_mime_is_one_text() -> None:
    message = a_message("Subject: x", "", "hello")
    assert types(message) == ["text/plain"]
    assert bodies(message) == [b"hello"]
    assert message.root.is_leaf


def test_a_body_can_be_read_in_part() -> None:
    message = a_message("Content-Transfer-Encoding: base64", "", "aGVsbG8gd29ybGQ=")
    assert message.root.body(limit_octets=8) == b"hello "
    assert message.root.text(limit_octets=7) == "hello"
    assert message.root.defects == ()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param("", "text/plain", id="missing"),
        pytest.param("Content-Type: TEXT/Html; x=y", "text/html", id="case"),
        pytest.param("Content-Type: text", "text/plain", id="no subtype"),
        pytest.param("Content-Type: text/html/x", "text/plain", id="two slashes"),
        pytest.param("Content-Type: ;charset=utf-8", "text/plain", id="only a parameter"),
        pytest.param("Content-Type: application/ms-tnef", "application/ms-tnef", id="TNEF is a leaf"),
        pytest.param("Content-Type: multipart", "multipart/mixed", id="multipart without subtype"),
    ],
)
def test_a_type_that_is_none_means_plain_text(field: str, expected: str) -> None:
    assert a_message("Subject: x", *([field] if field else []), "", "body").root.content_type == expected


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        pytest.param(["Content-Disposition: attachment; filename=a.exe"], "a.exe", id="token"),
        pytest.param(['Content-Type: a/b; name="a b.exe"'], "a b.exe", id="only a name"),
        pytest.param(["Content-Type: a/b; name=x.txt", "Content-Disposition: a; filename=a.exe"], "a.exe", id="both"),
        pytest.param(['Content-Type: a/b; name="=?utf-8?b?w6kuZXhl?="'], "é.exe", id="RFC 2047 in quotes"),
        pytest.param(["Content-Disposition: a; filename*0=a.; filename*1=exe"], "a.exe", id="RFC 2231 continued"),
        pytest.param(['Content-Disposition: a; filename="a.txt\0\t.exe"'], "a.txt  .exe", id="controls become spaces"),
        pytest.param(["Content-Disposition: a; filename=" + "x" * 300], "x" * 255, id="too long"),
        pytest.param(["Subject: x"], "", id="none"),
    ],
)
def test_a_file_name_is_found_wherever_clients_look(fields: list[str], name: str) -> None:
    assert a_message(*fields, "", "").root.filename == name


def test_an_embedded_message_is_descended_into() -> None:
    message = a_message("Content-Type: message/rfc822", "", "Subject: inner", "Content-Type: text/html", "", "<p>x")
    assert types(message) == ["message/rfc822", "text/html"]
    assert next(message.leaves()).headers.get("Subject") == "inner"


def test_an_encoded_embedded_message_is_descended_into_too() -> None:
    message = a_message(
        *("Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", ""),
        *("Q29udGVudC1UcmFuc2Zlci1FbmNvZGluZzogYmFzZTY0DQoNCmFHVnNiRzg9",),
    )
    assert bodies(message) == [b"hello"]
    assert message.defects == (Defect.ENCODED_CONTAINER,)
    assert Defect.DECODED_TOO_LARGE in parse(message.raw, MessageLimits(decoded_bytes=10)).defects


def test_a_digest_holds_messages_without_saying_so() -> None:
    message = a_message("Content-Type: multipart/digest; boundary=b", "", "--b", "", "Subject: x", "", "y", "--b--")
    assert types(message) == ["multipart/digest", "message/rfc822", "text/plain"]
    assert bodies(message) == [b"y"]


MIXED = "Content-Type: multipart/mixed; boundary=b"


@pytest.mark.parametrize(
    ("lines", "expected", "defects"),
    [
        pytest.param([MIXED, "", "--b", "", "x", "--b--"], [b"x"], (), id="proper"),
        pytest.param([MIXED, "", "--b \t", "", "x", "--b-- "], [b"x"], (), id="space behind the delimiter"),
        pytest.param([MIXED, "", "--b", "", "--b--"], [b""], (), id="empty part"),
        pytest.param([MIXED, "", "--b", "--b--"], [b""], (), id="nothing between two delimiters"),
        pytest.param([MIXED, "", "--b--"], [b"--b--"], (), id="closed at once"),
        pytest.param(
            [MIXED, "", "--b", "", "x", "--bb", "--b-", " --b", "--b--"],
            [b"x\r\n--bb\r\n--b-\r\n --b"],
            (),
            id="near misses",
        ),
        pytest.param([MIXED, "", "--b", "", "x"], [b"x"], (Defect.MISSING_END_BOUNDARY,), id="never closed"),
        pytest.param([MIXED, "", "--b"], [b""], (Defect.MISSING_END_BOUNDARY,), id="ends behind a delimiter"),
        pytest.param([MIXED, "", "nothing"], [b"nothing"], (Defect.BROKEN_BOUNDARY,), id="no delimiter at all"),
        pytest.param(
            [MIXED, "", "--b", "", "x", "--b--", "--b", "", "y", "--b--"],
            [b"x", b"y"],
            (Defect.BROKEN_BOUNDARY,),
            id="a part behind the end",
        ),
        pytest.param(["Content-Type: multipart/mixed", "", "x"], [b"x"], (Defect.NO_BOUNDARY,), id="no boundary"),
        pytest.param(
            ["Content-Type: multipart/mixed; boundary=" + "b" * 257, "", "x"],
            [b"x"],
            (Defect.NO_BOUNDARY,),
            id="too long",
        ),
        pytest.param(
            [MIXED + "; boundary=c", "", "--b", "", "x", "--b--"],
            [b"x"],
            (Defect.DUPLICATE_PARAMETER,),
            id="two boundaries",
        ),
        pytest.param(
            [MIXED, "", "--b", MIXED, "", "--b", "", "x", "--b--"],
            [b"", b"x"],
            (Defect.BROKEN_BOUNDARY,),
            id="inner boundary equals the outer",
        ),
        pytest.param(
            [MIXED, "", "--b", "Content-Type: text/html", "--b", "", "x", "--b--"],
            [b"", b"x"],
            (),
            id="fields cut short",
        ),
        pytest.param(
            [
                MIXED,
                "",
                "--b",
                "Content-Type: multipart/mixed; boundary=c",
                "",
                "--c",
                "",
                "x",
                "--b",
                "",
                "y",
                "--b--",
            ],
            [b"x", b"y"],
            (Defect.MISSING_END_BOUNDARY,),
            id="the outer delimiter ends the inner part",
        ),
        pytest.param(
            [MIXED, "", "--b", "Content-Transfer-Encoding: base64", "aGVsbG8=", "", "--b--"],
            [b"hello"],
            (Defect.MISSING_COLON,),
            id="blank line forgotten before the body",
        ),
        pytest.param(
            ["Content-Type: message/partial; id=x; number=1", "", "x"], [b"x"], (Defect.PARTIAL_MESSAGE,), id="partial"
        ),
    ],
)
def test_careless_structure_is_read_and_told(
    lines: list[str], expected: list[bytes], defects: tuple[Defect, ...]
) -> None:
    for line_end in ("\r\n", "\n"):
        message = parse(line_end.join([*lines, ""]).encode())
        assert [body.replace(b"\r\n", b"\n").rstrip() for body in bodies(message)] == [
            body.replace(b"\r\n", b"\n") for body in expected
        ]
        assert message.defects == defects


def test_a_boundary_that_is_not_ascii_is_compared_as_octets() -> None:
    for boundary in (b"\xe9", "é".encode()):
        raw = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\n\n--' + boundary + b"\n\nx\n--" + boundary
        assert bodies(parse(raw + b"--")) == [b"x"]


def test_a_broken_encoding_is_told_once_the_body_was_read() -> None:
    message = a_message("Content-Transfer-Encoding: base64", "", "!!!")
    assert list(message.defects) == []
    bodies(message)
    assert list(message.defects) == [Defect.BAD_BASE64]


def test_the_header_defects_of_parts_count_but_not_their_lack_of_fields() -> None:
    message = a_message(MIXED, "", "--b", "", "x", "--b", "A: b\rc", "", "x", "--b--")
    assert message.defects == (Defect.BARE_CR,)
