"""Canonical forms of header fields and bodies (RFC 6376 3.4), over octets whose lines end with CR LF.

All of it is linear, whatever a stranger wrote.
"""

from __future__ import annotations

import re
from typing import Literal

Form = Literal["simple", "relaxed"]

_BARE_LF = re.compile(rb"(?<!\r)\n")
_SPACES = re.compile(rb"[ \t]+")


def with_crlf(raw: bytes) -> bytes:
    """As the message went over the wire: one that came by HTTP may have bare line feeds."""
    return _BARE_LF.sub(b"\r\n", raw) if raw.count(b"\n") != raw.count(b"\r\n") else raw


def field(raw: bytes, form: Form) -> bytes:
    """A whole field, name and line end included (RFC 6376 3.4.1, 3.4.2)."""
    line = with_crlf(raw)
    if not line.endswith(b"\r\n"):
        line += b"\r\n"
    if form == "simple":
        return line
    name, _, value = line.partition(b":")
    return name.strip().lower() + b":" + _SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ") + b"\r\n"


def body(raw: bytes, form: Form) -> bytes:
    """The whole body (RFC 6376 3.4.3, 3.4.4)."""
    text = with_crlf(raw)
    if form == "relaxed":
        text = _SPACES.sub(b" ", text).replace(b" \r\n", b"\r\n").removesuffix(b" ")
        core = _without_empty_lines(text)
        return core + b"\r\n" if core else b""
    return _without_empty_lines(text) + b"\r\n"


def _without_empty_lines(text: bytes) -> bytes:
    end = len(text)
    while text.endswith(b"\r\n", 0, end):
        end -= 2
    return text[:end]
