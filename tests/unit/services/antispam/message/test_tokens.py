"""What is a token, and what a stranger can make us read."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.antispam.message import tokens as limits
from services.antispam.message.tokens import tokenize


@dataclass(frozen=True)
class APart:
    content_type: str = "text/plain"
    charset: str = ""
    filename: str = ""


def words(text: str) -> set[str]:
    return set(tokenize((), [text]))


def of_field(name: str, value: str) -> set[str]:
    return set(tokenize([(name, value)])) - {f"has:{name.lower()}"}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", set()),
        ("Hello, hello world!", {"Hello", "hello", "world!"}),  # case and shouting tell
        ("to be or not", {"not"}),  # two letters tell nothing
        ("It's $100.00 off.", {"It's", "$100.00", "off"}),
        ("click-here www.example.org/buy", {"click-here", "www.example.org", "buy"}),
        ('<font color="#FF0000">free</font>', {"font", "color", "FF0000", "free"}),
        ("été À côté", {"été", "côté"}),
        ("x" * 60, {"x" * 25, "x" * 10}),
        ("привет мир", {"привет", "мир"}),
        ("促銷中", {"促銷中", "促銷", "銷中"}),  # no spaces: the pairs are the words
        ("a:b:ccc", {"ccc"}),  # no colon, for it marks the header
    ],
)
def test_words_of_a_text(text: str, tokens: set[str]) -> None:
    assert words(text) == tokens


@pytest.mark.parametrize(
    ("name", "value", "tokens"),
    [
        ("From", "Jean <toto@example.org>", {"from:Jean", "from:toto", "from:example.org"}),
        ("Subject", "Free money", {"subject:Free", "subject:money", "Free", "money"}),
        ("Subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", {"subject:Grüße", "Grüße"}),
        ("Message-ID", "<once.and.never@mail.example.org>", {"message-id:mail.example.org"}),
        ("References", "<1@a.example> <2@b.example>", {"references:a.example", "references:b.example"}),
        ("Received", "from evil by mx; 1 Jan 2024", {"received:from", "received:evil"}),
        ("Received", "from evil", {"received:from", "received:evil"}),
        ("Date", "Mon, 01 Jan 2024 10:00:00 +0000", set()),  # a date that was learned never comes again
        ("DKIM-Signature", "v=1; b=abcdefgh", set()),
    ],
)
def test_words_of_a_field(name: str, value: str, tokens: set[str]) -> None:
    assert of_field(name, value) == tokens


def test_names_and_order_of_fields_tell_the_program_that_wrote_them() -> None:
    tokens = tokenize([("Date", ""), ("MiME-Version", ""), ("To", "")])
    assert tokens == {"has:date", "has:mime-version", "has:to", "next:date>mime-version", "next:mime-version>to"}


def test_what_we_said_ourselves_is_not_learned() -> None:
    ours = [("From", ""), ("X-Spam-Status", "Yes, score=9"), ("X-Facteur-Id", "0193"), ("To", "")]
    assert tokenize(ours) == tokenize([("From", ""), ("To", "")])


def test_parts_tell_their_type_charset_and_name() -> None:
    parts = [APart("text/html", "gb2312"), APart("application/zip", filename="Invoice.PDF.exe")]
    expected = {"type:text/html", "charset:gb2312", "type:application/zip", "file:invoice", "file:pdf", "file:exe"}
    assert tokenize((), (), parts) == expected


def test_no_more_is_read_than_the_limits_allow() -> None:
    text = "abc " * (limits.MAX_TEXT // 4) + "beyond"
    fields = [(f"X-{number}", "") for number in range(limits.MAX_FIELDS + 1)]
    assert words(text) == {"abc"}
    assert set(tokenize((), ["abc " * limits.MAX_TEXT, "beyond"])) == {"abc"}
    assert f"has:x-{limits.MAX_FIELDS}" not in tokenize(fields)
    assert of_field("X", "abc " * (limits.MAX_VALUE // 4) + "beyond") == {"x:abc"}
    assert max(map(len, tokenize([("x" * 999, "abc")], (), [APart("t" * 999, "c" * 999, "f" * 999)]))) < 130


@pytest.mark.parametrize(
    ("headers", "texts"),
    [
        (repeat(("Subject", "=?" * 100_000), 100_000), ()),
        (repeat(("Message-ID", "@a" * 100_000), 100_000), ()),
        (repeat(("Received", ";" * 100_000), 100_000), ()),
        ((), repeat("a" + "." * 100_000, 100_000)),
        ((), repeat(("a" + "." * 24) * 10_000, 100_000)),
        ((), repeat("漢字仮名" * 100_000, 100_000)),
    ],
    ids=["encoded words", "identifiers", "trace", "dots", "words that end badly", "no spaces"],
)
def test_a_hostile_message_costs_no_more_than_a_long_one(
    headers: Iterable[tuple[str, str]], texts: Iterable[str]
) -> None:
    started = time.process_time()
    tokenize(headers, texts)
    assert time.process_time() - started < 1.0  # some milliseconds; wide, for tests run on busy machines


@given(st.lists(st.tuples(st.text(), st.text())), st.lists(st.text()))
def test_whatever_it_is_it_has_tokens_that_can_be_stored(headers: list[tuple[str, str]], texts: list[str]) -> None:
    for token in tokenize(headers, texts):
        assert token.encode()
    assert not any(":" in token for token in tokenize((), texts))
