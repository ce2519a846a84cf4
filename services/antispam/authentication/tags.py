"""`name=value; name=value`: signatures and key records (RFC 6376 3.2), DMARC records (RFC 7489 6.4)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WHITE_SPACE = re.compile(r"\s+")


def tags(text: str) -> Mapping[str, str]:
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


def octets(value: str) -> bytes:
    """The octets of a base64 value; white space in it means nothing (RFC 6376 3.5). Raises ValueError."""
    try:
        return base64.b64decode(_WHITE_SPACE.sub("", value), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def words(value: str, separator: str = ":") -> tuple[str, ...]:
    """The words of a list like `h=`, in lower case."""
    return tuple(word.strip().lower() for word in value.split(separator))
