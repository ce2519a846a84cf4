"""What filters read of a message and of the way it came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.envelope import Peer
from services.antispam.filtering.facts import FACTS, facts_of
from services.antispam.message.content import TEXT_LIMIT_OCTETS, MessageContent, tokens_of
from tests.specimens.antispam import a_message, a_view, html, multipart

PLAIN = "Content-Type: text/plain; charset=utf-8\r\n\r\nsee https://plain.example/a. bye"
HTML = (
    'Content-Type: text/html\r\n\r\n<p>see <a href="https://html.example/b">this</a><img src="http://i.example/x"></p>'
)
PDF = "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n%PDF-1.7"
NOTES = "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=notes.txt\r\n\r\nattached words"


def test_texts_are_what_is_read_and_attachments_the_rest() -> None:
    content = MessageContent(multipart(PLAIN, HTML, PDF, NOTES, subtype="mixed"))
    assert content.plain == "see https://plain.example/a. bye"
    assert content.text.split() == ["see", "https://plain.example/a.", "bye", "see", "this"]
    assert [part.filename for part in content.attachments] == ["a.pdf", "notes.txt"]
    assert [(link.url, link.text, link.tag) for link in content.links] == [
        ("https://html.example/b", "this", "a"),
        ("http://i.example/x", "", "img"),
        ("https://plain.example/a", "https://plain.example/a", ""),
    ]


def test_headers_are_read_decoded_and_unfolded() -> None:
    raw = a_message(
        "x", "X-Long: one\r\n two", subject="=?utf-8?q?caf=C3=A9?=", **{"from": "A <A@X.example>, b@y.example"}
    )
    content = MessageContent(raw)
    assert content.subject == "café"
    assert content.authors == ("a@x.example", "b@y.example")
    assert "X-Long: one two\n" in content.header_lines
    assert "Subject: café\n" in content.header_lines


def test_an_author_longer_than_any_address_is_none() -> None:
    assert MessageContent(a_message(**{"from": f"a@{'b.' * 400}example"})).authors == ()


def test_only_so_much_text_is_read() -> None:
    content = MessageContent(html("word " * TEXT_LIMIT_OCTETS))
    assert len(content.html) <= TEXT_LIMIT_OCTETS


def test_the_tokens_of_a_raw_message_are_those_that_filters_see() -> None:
    raw = multipart(PLAIN, HTML)
    assert tokens_of(raw) == a_view(raw).tokens
    assert {"bye", "subject:minutes", "type:text/html"} <= tokens_of(raw)


@pytest.mark.parametrize(
    ("fields", "submitted", "peer"),
    [
        ({}, False, "192.0.2.1"),
        ({"peer": Peer(address="::ffff:192.0.2.1")}, False, "192.0.2.1"),
        ({"peer": Peer(address="2001:db8::1")}, False, "2001:db8::1"),
        ({"peer": Peer(address="")}, False, "None"),
        ({"peer": Peer(address="192.0.2.1", account="m@a.example")}, True, "None"),
        ({"listener": "submissions"}, True, "None"),
        ({"listener": "http", "peer": Peer()}, True, "None"),
    ],
)
def test_the_peer_is_a_strangers_server_or_nobody(fields: dict[str, Any], submitted: bool, peer: str) -> None:
    view = a_view(**fields)
    assert (view.is_submitted, str(view.peer)) == (submitted, peer)


def test_all_facts_that_are_documented_are_there() -> None:
    facts = facts_of(a_view(a_message("x", "Cc: a@b.c")))
    assert facts.keys() == FACTS.keys()
    assert (facts["recipients"], facts["author_domain"], facts["text_length"]) == (1.0, "elsewhere.example", 1.0)


_PIECES = (
    *(b"Subject:", b"From: ", b"\r\n", b"\n", b"\r", b"\0", b"--b", b"\r\n\r\n", b"@", b"http://", b"\xff\xfe"),
    *(
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: text/html\r\n",
        b"<a href=",
        b"<!--",
        b"=?utf-8?q?",
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(_PIECES) | st.binary(max_size=30), max_size=40))
def test_no_bytes_make_reading_raise(pieces: list[bytes]) -> None:
    content = MessageContent(b"".join(pieces))
    content.read()
    assert content.header_lines.count("\0") == 0
    assert all(isinstance(token, str) for token in content.tokens)
