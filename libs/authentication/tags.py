"""`name=value; name=value`: signatures and key records (RFC 6376 3.2), DMARC records (RFC 7489 6.4)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Container, Mapping

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DIGITS = re.compile(r"[0-9]{1,76}")
_WHITE_SPACE = re.compile(r"\s+")


def parse_tags(text: str) -> Mapping[str, str]:
    """The values by name, in the order in which they stand. Raises ValueError where RFC 6376 3.2 calls it invalid."""
    found: dict[str, str] = {}
    for spec in text.rstrip().removesuffix(";").split(";"):
        name, equals, value = spec.partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"{spec.strip()[:40]!r} is no tag")
        if name in found:
            raise ValueError(f"tag {name} stands twice")
        found[name] = value.strip()
    return found


def parse_tags_leniently(text: str, known: Container[str]) -> Mapping[str, str]:
    """Of the `known` tags the values, by name in lower case; everything else is passed over, sound or not.

    RFC 7489 6.3: errors in a record are ignored, and unknown tags with them; RFC 5234 2.3: names have no case. Raises
    ValueError where a tag has two values, for no reader could say which of them is meant.
    """
    found: dict[str, str] = {}
    for spec in text.split(";"):
        name, _, value = (piece.strip() for piece in spec.partition("="))
        name = name.lower()
        if name in known and found.setdefault(name, value).lower() != value.lower():
            raise ValueError(f"tag {name} stands twice")
    return found


def parse_number(value: str) -> int:
    """Digits and nothing else (RFC 6376 3.5: `l=`, `t=`, `x=`), at most 76 of them. Raises ValueError."""
    if not _DIGITS.fullmatch(value):
        raise ValueError("not a number")
    return int(value)


def octets(value: str) -> bytes:
    """The octets of a base64 value; white space in it means nothing (RFC 6376 3.5). Raises ValueError."""
    try:
        return base64.b64decode(_WHITE_SPACE.sub("", value), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def split_list(value: str, separator: str = ":") -> tuple[str, ...]:
    """The words of a list like `h=`, in lower case."""
    return tuple(word.strip().lower() for word in value.split(separator))
