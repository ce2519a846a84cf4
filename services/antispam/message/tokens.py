"""The tokens that the classifier counts: words, told apart by where they occur. A token of the header has a colon, one
of the body has none, so that the two can be weighed apart.

    subject:Hello  from:example.org     a word in a header field, a name in an address field
    has:list-id  next:to>subject        a field is present; it precedes another, as a program orders them
    type:text/html  charset:gb2312      the type and charset of a part
    file:invoice  file:exe              a piece of the file name of a part; both of "invoice.exe"
    Hello  FF0000  www.example.org      a word of the subject, of a text or of the source of an HTML text

Tried on the public corpus and left out, since they did not help: case folded, numbers folded, pairs of words, tags and
attributes and URLs as tokens of their own, counts of words, networks of addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Protocol

from libs.mail.encoded_words import decode_words

# The limits of what is read of one message: they bound the cost of a hostile one.
MAX_TEXT = 32 * 1024  # characters of all texts together
MAX_FIELDS = 200
MAX_VALUE = 2_000  # characters of one field
MAX_HEADER = 16 * 1024  # characters of all fields together
MAX_PARTS = 50
MAX_NAME = 60  # characters of the name of a field, a type, a charset, a piece of a file name

# Letters, digits and the signs of money and shouting. Ranges, since they are twice as quick as \w: beyond ASCII they
# hold letters and a few harmless signs.
_LETTER = r"A-Za-z0-9_$!'\xc0-\u1fff\u2c00-\ud7ff\uf900-\U0010ffff"
# 3 to 25 characters. It backtracks over 23 of them at most, so it is linear.
_WORD = re.compile(rf"[{_LETTER}][{_LETTER}.-]{{1,23}}[{_LETTER}]")
# Kana, Han and Hangul have no spaces between words: pairs of neighbouring characters serve as words.
_UNSPACED = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_ANY_UNSPACED = re.compile(_UNSPACED)
_PAIR = re.compile(f"(?=({_UNSPACED}{{2}}))")
_DOMAIN = re.compile(r"@([\w.-]{1,60})")

# Written by the collectors of a corpus or at delivery, above all by this software: nothing to learn from.
_OURS = re.compile(r"x-(?:spam|facteur)-")
# Only the presence and order of these fields are counted: their values never recur.
_UNREAD = frozenset(
    (
        *("date", "resent-date", "delivery-date", "x-original-date", "x-originalarrivaltime", "thread-index"),
        *("dkim-signature", "domainkey-signature", "x-google-dkim-signature", "arc-seal", "arc-message-signature"),
    )
)
_IDENTIFIERS = frozenset(("message-id", "in-reply-to", "references", "resent-message-id"))


class TokenPart(Protocol):
    """A leaf of the MIME tree."""

    @property
    def content_type(self) -> str: ...
    @property
    def charset(self) -> str: ...
    @property
    def filename(self) -> str: ...


def tokenize(
    headers: Iterable[tuple[str, str]], texts: Iterable[str] = (), parts: Iterable[TokenPart] = ()
) -> frozenset[str]:
    """Return the tokens of a message: of its fields (name, unfolded value), its decoded texts (HTML as source), and the
    types and names of its parts. Linear in what is read, which is bounded; never raises.
    """
    tokens: set[str] = set()
    _add_header(tokens, headers)
    _add_texts(tokens, texts)
    _add_parts(tokens, parts)
    return frozenset(tokens)


def _add_header(tokens: set[str], headers: Iterable[tuple[str, str]]) -> None:
    names: list[str] = []
    room = MAX_HEADER
    for name, value in islice(headers, MAX_FIELDS):
        name = name[:MAX_NAME].lower()
        if _OURS.match(name):
            continue
        names.append(name)
        if name not in _UNREAD and room > 0:
            value = value[:MAX_VALUE]
            room -= len(value)
            words = _words_of_field(name, value)
            tokens.update([f"{name}:{word}" for word in words])
            if name == "subject":  # the words of the subject are counted as words of the body as well
                tokens.update(words)
    tokens.update([f"has:{name}" for name in names])
    tokens.update([f"next:{name}>{following}" for name, following in pairwise(names)])


def _words_of_field(name: str, value: str) -> list[str]:
    if name in _IDENTIFIERS:
        return _DOMAIN.findall(value)  # the part left of the @ never recurs
    if name == "received":
        value = value.rpartition(";")[0] or value  # without its date
    elif "=?" in value:
        value = decode_words(value)
    return _words(value)


def _words(text: str) -> list[str]:
    words: list[str] = _WORD.findall(text)
    # The search for pairs stops at every character; most texts have none of these scripts.
    return words if text.isascii() or not _ANY_UNSPACED.search(text) else words + _PAIR.findall(text)


def _add_texts(tokens: set[str], texts: Iterable[str]) -> None:
    room = MAX_TEXT
    for text in texts:
        tokens.update(_words(text[:room]))
        room -= len(text)
        if room <= 0:
            return


def _add_parts(tokens: set[str], parts: Iterable[TokenPart]) -> None:
    for part in islice(parts, MAX_PARTS):
        tokens.add(f"type:{part.content_type[:MAX_NAME]}")
        if part.charset:
            tokens.add(f"charset:{part.charset[:MAX_NAME]}")
        if part.filename:
            tokens.update([f"file:{piece[:MAX_NAME]}" for piece in part.filename.lower().split(".")])
