"""Composes messages of the services: text, optionally with HTML, from values that strangers chose.

An envelope address may be anything that RFC 5321 permits, an account may have any letters (RFC 6531): no value ever
adds a field or a line, and none makes the composer fail. Only values of the operator (`author`, `hostname`) raise
`ValueError` when they are invalid.
"""

from __future__ import annotations

from binascii import b2a_qp
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from re import compile as pattern
from typing import Literal

from libs.mail.encoded_words import encode_words
from libs.mail.folding import fold, mailbox, recipient

MAX_SUBJECT_CHARACTERS = 500

_LINE_END = pattern(r"\r\n|\r|\n")
_MESSAGE_ID = pattern(r"<[!-;=?-~]{1,250}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message from `author` (with the display name `author_name`) to `to`. The same `key` gives the same Message-ID.

    `answers` is the Message-ID of the message answered; an invalid one is left out. `automatic` is the keyword of RFC
    3834 5: `auto-replied` where a message caused this one, `auto-generated` where none did.
    """

    author_name: str
    author: str
    to: str
    subject: str
    text: str
    key: str
    automatic: Literal["auto-generated", "auto-replied"]
    html: str = ""
    answers: str = ""


def compose(letter: Letter, *, hostname: str, now: datetime) -> bytes:
    """Return the octets of the message, in ASCII, with CR LF."""
    digest = sha256(letter.key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    head = (
        fold("From", mailbox(plain(letter.author_name), letter.author))
        + fold("To", recipient(letter.to))
        + fold("Subject", _unstructured(letter.subject))
        + fold("Date", format_datetime(now))
        + fold("Message-ID", f"<{digest}@{hostname}>")
        + fold("Auto-Submitted", letter.automatic)
        + fold("X-Auto-Response-Suppress", "All")
        + _threaded(letter.answers)
        + fold("MIME-Version", "1.0")
    )
    text = _part("plain", letter.text)
    if not letter.html:
        return head + text
    # RFC 2045 6.7: `=_` never occurs in quoted-printable, so that no part can contain the boundary.
    line = f"--=_{digest}".encode()
    parts = b"".join(line + b"\r\n" + part + b"\r\n" for part in (text, _part("html", letter.html)))
    return (
        head
        + fold("Content-Type", f'multipart/alternative; boundary="=_{digest}"')
        + b"\r\n"
        + parts
        + line
        + b"--\r\n"
    )


def plain(text: str) -> str:
    """Return the text on one line, without control, format and bidirectional characters, which could mislead the
    reader.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _unstructured(text: str) -> str:
    """Encode a field of free text. Text that looks like an encoded-word (RFC 2047 5) is encoded, so that it is shown as
    it stands.
    """
    text = plain(text)[:MAX_SUBJECT_CHARACTERS]
    return " ".join(encode_words(text)) if "=?" in text else text


def _threaded(message_id: str) -> bytes:
    """RFC 3834 3.1.6: clients show the response under the message that it answers."""
    if not _MESSAGE_ID.fullmatch(message_id):
        return b""
    return fold("In-Reply-To", message_id) + fold("References", message_id)


def _part(kind: str, text: str) -> bytes:
    lines = _LINE_END.sub("\r\n", text)
    octets = (lines if lines.endswith("\r\n") else lines + "\r\n").encode("utf-8", "replace")
    head = fold("Content-Type", f"text/{kind}; charset=utf-8") + fold("Content-Transfer-Encoding", "quoted-printable")
    # With a line end inside, `b2a_qp` makes the soft line breaks CR LF too.
    return head + b"\r\n" + b2a_qp(octets, quotetabs=False)
