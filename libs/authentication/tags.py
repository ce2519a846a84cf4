"""Tag lists, `name=value; name=value`: signatures, key records (RFC 6376 3.2), DMARC records (RFC 7489 6.4)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Container, Mapping

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DIGITS = re.compile(r"[0-9]{1,76}")
_WHITE_SPACE = re.compile(r"\s+")


def parse_tags(text: str) -> Mapping[str, str]:
    """Parse the values by name, in their order. Raises `ValueError` for lists that RFC 6376 3.2 calls invalid."""
    found: dict[str, str] = {}
    for spec in text.rstrip().removesuffix(";").split(";"):
        name, equals, value = spec.partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"{spec.strip()[:40]!r} is not a tag")
        if name in found:
            raise ValueError(f"tag {name} occurs twice")
        found[name] = value.strip()
    return found


def parse_tags_leniently(text: str, known: Container[str]) -> Mapping[str, str]:
    """Parse the `known` tags, by name in lower case; everything else is ignored, valid or not.

    RFC 7489 6.3: errors in a record are ignored, and unknown tags with them; RFC 5234 2.3: names are case-insensitive.
    Raises `ValueError` for a tag with two values, since it is undefined which of them counts.
    """
    found: dict[str, str] = {}
    for spec in text.split(";"):
        name, _, value = (piece.strip() for piece in spec.partition("="))
        name = name.lower()
        if name in known and found.setdefault(name, value).lower() != value.lower():
            raise ValueError(f"tag {name} occurs twice")
    return found


def parse_number(value: str) -> int:
    """Parse at most 76 digits and nothing else (RFC 6376 3.5: `l=`, `t=`, `x=`). Raises `ValueError`."""
    if not _DIGITS.fullmatch(value):
        raise ValueError("not a number")
    return int(value)


def octets(value: str) -> bytes:
    """Decode base64; white space in it is ignored (RFC 6376 3.5). Raises `ValueError`."""
    try:
        return base64.b64decode(_WHITE_SPACE.sub("", value), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def split_list(value: str, separator: str = ":") -> tuple[str, ...]:
    """Split a list like `h=` into words in lower case."""
    return tuple(word.strip().lower() for word in value.split(separator))
