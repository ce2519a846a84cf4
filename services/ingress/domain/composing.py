"""Composes a message from its parts, for services without a mail library (RFC 5322, RFC 2045, RFC 2046).

The result has CR LF line ends, lines of at most 998 octets, and no header field that a value smuggled in.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote

from libs.mail.folding import fold, mailbox
from services.ingress.domain.additional_fields import additional_fields, thread_fields

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_LINE_END = re.compile(r"\r\n|\r|\n")
# RFC 2045 7: a content id has the form of a message id; these characters need no escape in a `cid:` URL (RFC 2392 2).
_CONTENT_ID = re.compile(r"[A-Za-z0-9._+-]{1,100}@[A-Za-z0-9.-]{1,100}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 ._+-]+")


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attached file. `content_type` is `type/subtype` without parameters.

    `is_inline` says that readers show it in its place (RFC 2183 2.1); with `content_id` the HTML shows it as `cid:`.
    """

    filename: str
    content_type: str
    content: bytes
    is_inline: bool = False
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a message. Authors and recipients are (display name, address).

    Recipients of blind copies (RFC 5322 3.6.3) are in the envelope only, and not here.
    """

    author: tuple[str, str]
    recipients: Sequence[tuple[str, str]]
    subject: str
    text: str | None = None
    html: str | None = None
    attachments: Sequence[Attachment] = ()
    cc: Sequence[tuple[str, str]] = ()
    reply_to: Sequence[tuple[str, str]] = ()
    in_reply_to: str | None = None
    references: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def compose(draft: Draft, *, id: str, now: datetime, hostname: str) -> bytes:
    """Return the octets of the message. Raises `ValueError` for a value that a header cannot carry."""
    head = (
        fold("From", mailbox(*draft.author))
        + _addresses("Reply-To", draft.reply_to)
        + _addresses("To", draft.recipients)
        + _addresses("Cc", draft.cc)
        + fold("Subject", draft.subject)
        + fold("Date", format_datetime(now))
        + fold("Message-ID", f"<{id}@{hostname}>")
        + thread_fields(draft.in_reply_to, draft.references)
        + additional_fields(draft.headers)
        + b"MIME-Version: 1.0\r\n"
    )
    return head + _body(draft, id)


def _addresses(name: str, mailboxes: Sequence[tuple[str, str]]) -> bytes:
    return fold(name, ", ".join(mailbox(*each) for each in mailboxes)) if mailboxes else b""


def _body(draft: Draft, id: str) -> bytes:
    """The text and the HTML are alternatives; what the HTML shows goes with it, all other files go beside both."""
    shown = [each for each in draft.attachments if each.content_id is not None]
    others = [each for each in draft.attachments if each.content_id is None]
    _check_content_ids(shown, draft.html)
    bodies = [_text("plain", draft.text)] if draft.text is not None else []
    if draft.html is not None:
        bodies.append(_related(_text("html", draft.html), shown, id))
    content = bodies[0] if len(bodies) == 1 else _multipart("alternative", bodies or [_text("plain", "")], f"=_a_{id}")
    if not others:
        return content
    return _multipart("mixed", [content, *(_attached(each) for each in others)], f"=_m_{id}")


def _related(html: bytes, shown: Sequence[Attachment], id: str) -> bytes:
    """Return the HTML with what it shows (RFC 2387 3); the first part is the root."""
    if not shown:
        return html
    parts = [html, *(_attached(each) for each in shown)]
    return _multipart("related", parts, f"=_r_{id}", parameters='; type="text/html"')


def _check_content_ids(shown: Sequence[Attachment], html: str | None) -> None:
    ids = [each.content_id or "" for each in shown]
    if shown and html is None:
        raise ValueError("a part with a content id belongs to HTML, of which there is none")
    if not all(each.is_inline for each in shown):
        raise ValueError("a part with a content id is inline")
    if len(set(ids)) != len(ids):
        raise ValueError("a content id is there twice")
    if not all(_CONTENT_ID.fullmatch(each) for each in ids):
        raise ValueError("a content id has the form left@right, of letters, digits, dots, dashes, + and _")


def _multipart(kind: str, parts: Sequence[bytes], boundary: str, *, parameters: str = "") -> bytes:
    """Join parts. The boundary contains the id of the message, which the author of a part cannot know."""
    line = b"--" + boundary.encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts)
    head = fold("Content-Type", f'multipart/{kind}; boundary="{boundary}"{parameters}')
    return head + b"\r\n" + body + line + b"--\r\n"


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
    disposition = "inline" if attachment.is_inline else "attachment"
    return (
        fold("Content-Type", attachment.content_type)
        + b"Content-Transfer-Encoding: base64\r\n"
        + (fold("Content-ID", f"<{attachment.content_id}>") if attachment.content_id is not None else b"")
        + fold("Content-Disposition", f"{disposition}; {_filename(attachment.filename)}")
        + b"\r\n"
        + encodebytes(attachment.content).replace(b"\n", b"\r\n")
    )


def _filename(name: str) -> str:
    """Return the parameter of the file name (RFC 2183 2.3), as RFC 2231 4 encodes it unless it is plain ASCII."""
    if not name.isprintable() or not name.strip() or len(name) > 200:
        raise ValueError("a file name has 1 to 200 printable characters")
    return f'filename="{name}"' if _PLAIN_NAME.fullmatch(name) else f"filename*=utf-8''{quote(name, safe='')}"
