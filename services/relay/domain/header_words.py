"""Encodes header fields with 8-bit octets for servers without SMTPUTF8 (RFC 2047 2, RFC 2231 4).

Old programs write such fields in their own charset, without SMTPUTF8. An address that is not ASCII has no other form
(RFC 6531 3.6), so that a field with one cannot be converted.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from libs.mail.encoded_words import encode_words
from libs.mail.folding import fold

_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_ADDRESSES = re.compile(rb"(?i)(?:resent-)?(?:from|to|cc|bcc|reply-to|sender)|return-path|disposition-notification-to")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s",;:<>()]+|\s+|[",;:<>()]')
_PARAMETER = re.compile(r';\s*([!#-)+-.0-9A-Z^-~]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')


class CannotConvert(Exception):
    """Raised where no 7-bit form exists."""


def fields_of(block: bytes) -> list[bytes]:
    """Split a header block into fields, each with its folded lines."""
    return _FIELD.findall(block if block.endswith(b"\n") or not block else block + b"\r\n")


def field_name(field: bytes) -> bytes:
    """The name of a field, in lower case."""
    return field.partition(b":")[0].strip().lower()


def unfolded(field: bytes) -> str:
    """The value as text in one line. Octets that are not UTF-8 are mostly Windows-1252."""
    value = field.partition(b":")[2]
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("cp1252", "replace")
    return "".join(c if c.isprintable() else " " for c in re.sub(r"\r?\n(?=[ \t])", "", text)).strip()


def seven_bit_header(block: bytes) -> bytes:
    """The header block in ASCII. Raises `CannotConvert`."""
    return block if block.isascii() else b"".join(map(seven_bit_field, fields_of(block)))


def seven_bit_field(field: bytes) -> bytes:
    """The field in ASCII, unchanged where it is so already. Raises `CannotConvert`."""
    if field.isascii():
        return field
    name = field_name(field)
    if not name.isascii() or not name:
        return b""  # RFC 5322 2.2: no reader accepts it as a field
    label = field.partition(b":")[0].strip().decode("ascii")
    value = unfolded(field)
    try:
        if name.startswith(b"content-"):
            return fold(label, _with_parameters(value))
        if _ADDRESSES.fullmatch(name):
            return fold(label, _with_phrases(value))
        return fold(label, value)
    except ValueError as error:
        raise CannotConvert(f"the field {label[:40]}: {error}") from error


def _with_phrases(value: str) -> str:
    """Encode display names and comments as encoded-words (RFC 2047 5)."""
    out: list[str] = []
    held: list[str] = []  # words that need it, with the space between them
    for token in _TOKEN.findall(value):
        if not token.isascii():
            if "@" in token and not token.startswith('"'):
                raise CannotConvert("an address is not ASCII")
            held.append(_unquoted(token))
        elif held and token.isspace():
            held.append(" ")
        else:
            out += _as_words(held)
            held = []
            out.append(token)
    return "".join([*out, *_as_words(held)])


def _as_words(held: list[str]) -> list[str]:
    text = "".join(held)
    return [" ".join(encode_words(text.strip())) + (" " if text.endswith(" ") else "")] if text else []


def _with_parameters(value: str) -> str:
    """Encode parameters as RFC 2231 4 does: `name*=utf-8''%C3%A9`."""

    def extended(match: re.Match[str]) -> str:
        if match[0].isascii():
            return match[0]
        return f"; {match[1]}*=utf-8''{quote(_unquoted(match[2].strip()), safe='')}"

    converted = _PARAMETER.sub(extended, value)
    return converted if converted.isascii() else converted.encode("ascii", "replace").decode("ascii")


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token
