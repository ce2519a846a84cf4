"""Messages from their pieces."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.domain.composing import Attachment, Draft, compose

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def composed(**fields: Any) -> bytes:
    given = {"author": ("", "a@example.org"), "recipients": [("", "b@example.org")], "subject": "x", **fields}
    return compose(Draft(**given), id="0123", now=NOW, hostname="mx.example.org")


def test_a_plain_letter() -> None:
    assert composed(text="Bonjour").decode() == (
        "From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\n"
        "Message-ID: <0123@mx.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nBonjour\r\n"
    )


def test_readers_find_the_thread_the_copies_and_the_additional_fields() -> None:
    raw = composed(
        cc=[("Éric", "c@example.org")],
        reply_to=[("", "r@example.org")],
        in_reply_to="parent@example.org",
        references=["<first@example.org>", "<parent@example.org>"],
        headers={"List-Unsubscribe": "<https://example.org/u>", "X-Campaign": "été " * 60},
    )
    message = message_from_bytes(raw, policy=policy.default)
    assert message["Cc"] == "Éric <c@example.org>"
    assert message["Reply-To"] == "r@example.org"
    assert message["In-Reply-To"] == "<parent@example.org>"
    assert message["References"] == "<first@example.org> <parent@example.org>"
    assert message["List-Unsubscribe"] == "<https://example.org/u>"
    assert message["X-Campaign"] == ("été " * 60).strip()
    assert message.defects == []


def test_a_reply_without_references_refers_to_its_parent() -> None:
    message = message_from_bytes(composed(in_reply_to="<p@example.org>"), policy=policy.default)
    assert message["References"] == "<p@example.org>"


def test_html_goes_with_what_it_shows() -> None:
    logo = Attachment("logo.png", "image/png", b"PNG", is_inline=True, content_id="logo@example.org")
    shown = Attachment("photo.jpg", "image/jpeg", b"JPG", is_inline=True)
    file = Attachment("a.bin", "application/octet-stream", b"bin")
    raw = composed(text="logo", html='<img src="cid:logo@example.org">', attachments=[logo, shown, file])
    message = message_from_bytes(raw, policy=policy.default)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/jpeg",
        "application/octet-stream",
    ]
    [related] = [part for part in message.walk() if part.get_content_type() == "multipart/related"]
    assert related.get_param("type") == "text/html"
    [image] = [part for part in message.walk() if part["Content-ID"] == "<logo@example.org>"]
    assert (image.get_content_disposition(), image.get_filename()) == ("inline", "logo.png")
    assert image.get_payload(decode=True) == b"PNG"
    assert [part.get_content_disposition() for part in message.iter_attachments()] == ["inline", "attachment"]


@given(
    text=st.one_of(st.none(), st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]))),
    html=st.one_of(st.none(), st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]))),
    content=st.binary(max_size=300),
)
def test_readers_find_what_was_put_in_and_the_wire_is_clean(text: str | None, html: str | None, content: bytes) -> None:
    raw = composed(text=text, html=html, attachments=[Attachment("é.bin", "application/octet-stream", content)])
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = message_from_bytes(raw, policy=policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    bodies: list[Any] = [part.get_payload(decode=True) for part in parts]
    assert bodies[-1] == content
    wanted = [each for each in (text, html) if each is not None] or [""]
    assert [body.decode().removesuffix("\r\n") for body in bodies[:-1]] == wanted
    assert parts[-1].get_filename() == "é.bin"


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "x\r\nBcc: v@example.com"},
        {"author": ("x\nBcc: v", "a@example.org")},
        {"author": ("", "a@example.org\r\nBcc: v@example.com")},
        {"recipients": [("", "b@example.org, v@example.com>")]},
        {"attachments": [Attachment("a\r\nb", "text/plain", b"")]},
        {"attachments": [Attachment("", "text/plain", b"")]},
        {"attachments": [Attachment("a", "text/plain; x=y\r\nz", b"")]},
        {"attachments": [Attachment("a", "message/rfc822", b"")]},
        {"html": "x", "attachments": [Attachment("a", "a/b", b"", content_id="a@b")]},
        {"text": "x", "attachments": [Attachment("a", "a/b", b"", is_inline=True, content_id="a@b")]},
        {"html": "x", "attachments": [Attachment("a", "a/b", b"", is_inline=True, content_id="a@b")] * 2},
        {"html": "x", "attachments": [Attachment("a", "a/b", b"", is_inline=True, content_id="a@b>\r\nX: y")]},
        {"html": "x", "attachments": [Attachment("a", "a/b", b"", is_inline=True, content_id="")]},
        {"cc": [("x\r\nBcc: v", "a@example.org")]},
        {"reply_to": [("", "a@example.org\nBcc: v")]},
        {"in_reply_to": "<a@b> <c@d>"},
        {"in_reply_to": "a@b\r\nBcc: v@example.com"},
        {"references": ["x"]},
        {"references": ["<é@example.org>"]},
    ],
)
def test_a_value_adds_no_header(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        composed(**fields)


def test_names_beyond_ascii_are_encoded() -> None:
    raw = composed(author=("Jérôme", "a@example.org"), subject="Été à la plage")
    message = message_from_bytes(raw, policy=policy.default)
    assert raw.isascii()
    assert (message["From"], message["Subject"]) == ("Jérôme <a@example.org>", "Été à la plage")
