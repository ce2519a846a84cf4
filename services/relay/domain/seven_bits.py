"""Mail for a server without 8BITMIME: the parts with 8-bit octets in an encoding of 7 bits (RFC 6152 3, RFC 2045 6).

Parts that are 7-bit already keep each octet, so that what was signed as RFC 1847 2.1 wants it stays signed.
"""

from __future__ import annotations

import base64
import binascii
import re

from libs.mail.parameters import Parameterised, parse_parameters
from services.relay.domain.header_words import CannotConvert, field_name, fields_of, seven_bit_field, unfolded

_MAX_DEPTH = 50
_MAX_PARTS = 10_000
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})


def in_seven_bits(raw: bytes) -> bytes:
    """The message with nothing but ASCII in it. Raises `CannotConvert`."""
    if raw.isascii():
        return raw
    converted = _entity(raw, depth=0, is_message=True)
    if not converted.isascii():
        raise CannotConvert("octets are left that are not ASCII")
    return converted


def split_header(raw: bytes) -> tuple[bytes, bytes]:
    """The header block, and the blank line with the body behind it."""
    if raw.startswith(b"\r\n"):
        return b"", raw
    end = raw.find(b"\r\n\r\n")
    return (raw, b"") if end < 0 else (raw[: end + 2], raw[end + 2 :])


def _entity(raw: bytes, *, depth: int, is_message: bool = False) -> bytes:
    if raw.isascii():
        return raw
    if depth > _MAX_DEPTH:
        raise CannotConvert("the parts are nested too deep")
    block, rest = split_header(raw)
    fields = [seven_bit_field(field) for field in fields_of(block)]
    if rest.isascii():
        return b"".join(fields) + rest
    blank, body = rest[:2], rest[2:]
    content_type = parse_parameters(_value(fields, b"content-type"))
    encoding = _value(fields, b"content-transfer-encoding").strip().lower()
    if encoding not in _PLAIN:
        raise CannotConvert(f"a part is called {encoding[:20]} and is not")
    wanted, encoded = _content(content_type, body, depth)
    if is_message or fields:
        fields = _declared(fields, wanted, body, is_message=is_message)
    else:
        fields = [_text_type(body), _encoded_as(wanted)]
    return b"".join(fields) + blank + encoded


def _content(content_type: Parameterised, body: bytes, depth: int) -> tuple[str, bytes]:
    """The encoding that it has then, and the body in it. RFC 2045 6.4: what is composed has none but 7bit."""
    kind = content_type.value
    boundary = content_type.parameters.get("boundary", "")
    if kind.startswith("multipart/") and boundary:
        return "7bit", _multipart(body, boundary, depth)
    if kind == "message/rfc822":
        return "7bit", _entity(body, depth=depth + 1, is_message=True)
    if not kind or kind.startswith("text/"):
        return "quoted-printable", _quoted_printable(body)
    return "base64", _base64(body)


def _multipart(body: bytes, boundary: str, depth: int) -> bytes:
    """The delimiters stay as they are. What stands before the first part and behind the last is shown by no reader."""
    mark = b"--" + boundary.encode("utf-8", "replace")
    pieces = re.split(rb"(?m)^(" + re.escape(mark) + rb"(?:--)?[ \t]*\r?\n?)", body)
    if len(pieces) < 3 or len(pieces) > 2 * _MAX_PARTS:
        raise CannotConvert("the parts cannot be told apart")
    out = [_only_ascii(pieces[0])]
    for delimiter, part in zip(pieces[1::2], pieces[2::2], strict=True):
        is_last = delimiter.rstrip() == mark + b"--"
        # RFC 2046 5.1.1: the line end before a delimiter belongs to the delimiter.
        end = b"\r\n" if part.endswith(b"\r\n") else b""
        inner = part.removesuffix(b"\r\n") if end else part
        out += [delimiter, _only_ascii(part) if is_last else _entity(inner, depth=depth + 1) + end]
    return b"".join(out)


def _only_ascii(octets: bytes) -> bytes:
    return octets.decode("ascii", "replace").replace("\ufffd", "?").encode("ascii")


def _declared(fields: list[bytes], encoding: str, body: bytes, *, is_message: bool) -> list[bytes]:
    kept = [field for field in fields if field_name(field) != b"content-transfer-encoding"]
    names = {field_name(field) for field in kept}
    more = []
    if is_message and b"mime-version" not in names:
        more.append(b"MIME-Version: 1.0\r\n")
    if b"content-type" not in names:
        more.append(_text_type(body))
    return [*kept, *more, _encoded_as(encoding)]


def _encoded_as(encoding: str) -> bytes:
    return f"Content-Transfer-Encoding: {encoding}\r\n".encode()


def _text_type(body: bytes) -> bytes:
    """Text of which nobody said the charset. RFC 1428 3 has a name for what is not known."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return b"Content-Type: text/plain; charset=unknown-8bit\r\n"
    return b"Content-Type: text/plain; charset=utf-8\r\n"


def _value(fields: list[bytes], name: bytes) -> str:
    """Of the first field of that name; empty without one."""
    return next((unfolded(field) for field in fields if field_name(field) == name), "")


def _quoted_printable(body: bytes) -> bytes:
    return binascii.b2a_qp(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")


def _base64(body: bytes) -> bytes:
    return base64.encodebytes(body).replace(b"\n", b"\r\n")
