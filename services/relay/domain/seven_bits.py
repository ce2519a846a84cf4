"""Converts mail to lines of at most 998 octets (RFC 5321 4.5.3.1.6), and to 7 bits for servers without 8BITMIME.

Parts that need it are encoded (RFC 6152 3, RFC 2045 6). The others keep each octet, so that parts that were signed as
RFC 1847 2.1 requires stay valid.
"""

from __future__ import annotations

import base64
import binascii
import re

from libs.mail.parameters import Parameterised, parse_parameters
from services.relay.domain.header_words import CannotConvert, field_name, fields_of, seven_bit_field, unfolded
from services.relay.domain.long_lines import folded_field, has_long_line

_MAX_DEPTH = 50
_MAX_PARTS = 10_000
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})


# RFC 2045 6.7 and 6.8 allow 76 octets in an encoded line.
_OF_QUOTED_PRINTABLE = re.compile(rb"(?:=[0-9A-Fa-f]{2}|[^\r\n]){1,24}")
_OF_BASE64 = re.compile(rb"[^\r\n]{1,76}")
_OF_PLAIN = re.compile(rb"[^\r\n]{1,900}")


def in_seven_bits(raw: bytes) -> bytes:
    """The message in short lines of ASCII alone. Raises `CannotConvert`."""
    return fitted(raw, takes_8_bit=False)


def fitted(raw: bytes, *, takes_8_bit: bool) -> bytes:
    """The message in short lines, and of ASCII alone unless `takes_8_bit`. Raises `CannotConvert`."""
    if _fits(raw, takes_8_bit):
        return raw
    converted = _entity(raw, takes_8_bit, depth=0, is_message=True)
    if not _fits(converted, takes_8_bit):
        raise CannotConvert("octets or lines are left that no encoding is for")
    return converted


def _fits(octets: bytes, takes_8_bit: bool) -> bool:
    return (takes_8_bit or octets.isascii()) and not has_long_line(octets)


def split_header(raw: bytes) -> tuple[bytes, bytes]:
    """The header block, and the blank line with the body behind it."""
    if raw.startswith(b"\r\n"):
        return b"", raw
    end = raw.find(b"\r\n\r\n")
    return (raw, b"") if end < 0 else (raw[: end + 2], raw[end + 2 :])


def _entity(raw: bytes, takes_8_bit: bool, *, depth: int, is_message: bool = False) -> bytes:
    if _fits(raw, takes_8_bit):
        return raw
    if depth > _MAX_DEPTH:
        raise CannotConvert("the parts are nested too deep")
    block, rest = split_header(raw)
    fields = [folded_field(field if takes_8_bit else seven_bit_field(field)) for field in fields_of(block)]
    if _fits(rest, takes_8_bit):
        return b"".join(fields) + rest
    blank, body = rest[:2], rest[2:]
    content_type = parse_parameters(_value(fields, b"content-type"))
    encoding = _value(fields, b"content-transfer-encoding").strip().lower()
    if encoding not in _PLAIN:
        return b"".join(fields) + blank + _wrapped(content_type.value, encoding, body)
    wanted, encoded = _content(content_type, body, takes_8_bit, depth)
    if is_message or fields:
        fields = _declared(fields, wanted, body, is_message=is_message)
    else:
        fields = [_text_type(body), _encoded_as(wanted)]
    return b"".join(fields) + blank + encoded


def _wrapped(kind: str, encoding: str, body: bytes) -> bytes:
    """Cut the long lines of encoded text into shorter ones that decode to the same octets."""
    is_composed = kind.startswith(("multipart/", "message/"))
    if not body.isascii() or is_composed or encoding not in ("base64", "quoted-printable"):
        raise CannotConvert(f"a part is called {encoding[:20]} and is not")
    if encoding == "base64":
        return _cut(body, _OF_BASE64, b"\r\n")
    return _cut(body, _OF_QUOTED_PRINTABLE, b"=\r\n")


def _cut(text: bytes, piece: re.Pattern[bytes], between: bytes) -> bytes:
    """Cut lines that are too long."""
    lines = text.split(b"\r\n")
    return b"\r\n".join(between.join(piece.findall(line)) if has_long_line(line) else line for line in lines)


def _content(content_type: Parameterised, body: bytes, takes_8_bit: bool, depth: int) -> tuple[str, bytes]:
    """The new encoding and the encoded body. A composite part allows 7bit and 8bit alone (RFC 2045 6.4)."""
    kind = content_type.value
    boundary = content_type.parameters.get("boundary", "")
    if kind.startswith("multipart/") and boundary:
        return _composed(_multipart(body, boundary, takes_8_bit, depth))
    if kind == "message/rfc822":
        return _composed(_entity(body, takes_8_bit, depth=depth + 1, is_message=True))
    if not kind or kind.startswith("text/"):
        return "quoted-printable", _quoted_printable(body)
    return "base64", _base64(body)


def _composed(body: bytes) -> tuple[str, bytes]:
    return "7bit" if body.isascii() else "8bit", body


def _multipart(body: bytes, boundary: str, takes_8_bit: bool, depth: int) -> bytes:
    """Convert each part; the delimiters stay as they are. No reader shows the preamble and the epilogue."""
    mark = b"--" + boundary.encode("utf-8", "replace")
    pieces = re.split(rb"(?m)^(" + re.escape(mark) + rb"(?:--)?[ \t]*\r?\n?)", body)
    if len(pieces) < 3 or len(pieces) > 2 * _MAX_PARTS:
        raise CannotConvert("the parts cannot be told apart")
    out = [_unread(pieces[0], takes_8_bit)]
    for delimiter, part in zip(pieces[1::2], pieces[2::2], strict=True):
        is_last = delimiter.rstrip() == mark + b"--"
        # RFC 2046 5.1.1: the line end before a delimiter belongs to the delimiter.
        end = b"\r\n" if part.endswith(b"\r\n") else b""
        inner = part.removesuffix(b"\r\n") if end else part
        out += [
            delimiter,
            _unread(part, takes_8_bit) if is_last else _entity(inner, takes_8_bit, depth=depth + 1) + end,
        ]
    return b"".join(out)


def _unread(octets: bytes, takes_8_bit: bool) -> bytes:
    if _fits(octets, takes_8_bit):
        return octets
    return _cut(_only_ascii(octets), _OF_PLAIN, b"\r\n")


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
    """The type of text without a declared charset; RFC 1428 3 names the unknown one."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return b"Content-Type: text/plain; charset=unknown-8bit\r\n"
    return b"Content-Type: text/plain; charset=utf-8\r\n"


def _value(fields: list[bytes], name: bytes) -> str:
    """The value of the first field called `name`; empty without one."""
    return next((unfolded(field) for field in fields if field_name(field) == name), "")


def _quoted_printable(body: bytes) -> bytes:
    return binascii.b2a_qp(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")


def _base64(body: bytes) -> bytes:
    return base64.encodebytes(body).replace(b"\n", b"\r\n")
