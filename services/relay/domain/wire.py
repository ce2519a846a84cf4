"""The bytes that leave: line ends as RFC 5321 2.3.8 wants them, never a bare CR or LF."""

from __future__ import annotations

import re

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def with_strict_line_ends(raw: bytes) -> bytes:
    """Each bare CR or LF becomes CRLF; the message ends with one. Mail without any is not copied."""
    if _BARE.search(raw):
        raw = _BARE.sub(b"\r\n", raw)
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"
