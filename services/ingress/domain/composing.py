"""Composes a message from its parts, for services without a mail library (RFC 5322, RFC 2045, RFC 2046).

The result has CR LF line ends, lines of at most 998 octets, and no header field that a value smuggled in.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote

from libs.mail.folding import fold, mailbox

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_LINE_END = re.compile(r"\r\n|\r|\n")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 ._+-]+")


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attached file. `content_type` is `type/subtype` without parameters."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a message. Authors and recipients are (display name, address)."""

    author: tuple[str, str]
    recipients: Sequence[tuple[str, str]]
    subject: str
    text: str | None = None
    html: str | None = None
    attachments: Sequence[Attachment] = ()


def compose(draft: Draft, *, id: str, now: datetime, hostname: str) -> bytes:
    """Return the octets of the message. Raises `ValueError` for a value that a header cannot carry."""
    head = (
        fold("From", mailbox(*draft.author))
        + fold("To", ", ".join(mailbox(*recipient) for recipient in draft.recipients))
        + fold("Subject", draft.subject)
        + fold("Date", format_datetime(now))
        + fold("Message-ID", f"<{id}@{hostname}>")
        + b"MIME-Version: 1.0\r\n"
    )
    return head + _body(draft, id)


def _body(draft: Draft, id: str) -> bytes:
    bodies = [
        _text(kind, content) for kind, content in (("plain", draft.text), ("html", draft.html)) if content is not None
    ]
    content = bodies[0] if len(bodies) == 1 else _multipart("alternative", bodies or [_text("plain", "")], f"=_a_{id}")
    if not draft.attachments:
        return content
    return _multipart("mixed", [content, *(_attached(each) for each in draft.attachments)], f"=_m_{id}")


def _multipart(kind: str, parts: Sequence[bytes], boundary: str) -> bytes:
    """Join parts. The boundary contains the id of the message, which the author of a part cannot know."""
    line = b"--" + boundary.encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts)
    return fold("Content-Type", f'multipart/{kind}; boundary="{boundary}"') + b"\r\n" + body + line + b"--\r\n"


def _text(kind: str, text: str) -> bytes:
    lines = _LINE_END.sub("\r\n", text)
    octets = (lines if lines.endswith("\r\n") else lines + "\r\n").encode()
    head = fold("Content-Type", f"text/{kind}; charset=utf-8")
    # RFC 2045 6.7; with a line end inside, the soft line breaks become CR LF too.
    return head + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b2a_qp(octets, quotetabs=False)


def _attached(attachment: Attachment) -> bytes:
    if not _TYPE.fullmatch(attachment.content_type):
        raise ValueError("a content type has the form type/subtype")
    if attachment.content_type.lower().startswith(("multipart/", "message/")):
        raise ValueError("an attachment is neither multipart nor a message")
    return (
        fold("Content-Type", attachment.content_type)
        + b"Content-Transfer-Encoding: base64\r\n"
        + fold("Content-Disposition", f"attachment; {_filename(attachment.filename)}")
        + b"\r\n"
        + encodebytes(attachment.content).replace(b"\n", b"\r\n")
    )


def _filename(name: str) -> str:
    """Return the parameter of the file name (RFC 2183 2.3), as RFC 2231 4 encodes it unless it is plain ASCII."""
    if not name.isprintable() or not name.strip() or len(name) > 200:
        raise ValueError("a file name has 1 to 200 printable characters")
    return f'filename="{name}"' if _PLAIN_NAME.fullmatch(name) else f"filename*=utf-8''{quote(name, safe='')}"
