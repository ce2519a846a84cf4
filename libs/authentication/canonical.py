"""Canonical forms of header fields and bodies (RFC 6376 3.4), over octets whose lines end with CR LF.

All functions take linear time, whatever a stranger wrote.
"""

from __future__ import annotations

from typing import Literal

Form = Literal["simple", "relaxed"]


def with_crlf(raw: bytes) -> bytes:
    """Restore the line ends of SMTP: a message that came by HTTP may have bare line feeds."""
    if raw.count(b"\n") == raw.count(b"\r\n"):
        return raw
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def field(raw: bytes, form: Form) -> bytes:
    """Canonicalize a whole field, with its name and line end (RFC 6376 3.4.1, RFC 6376 3.4.2)."""
    line = with_crlf(raw)
    if not line.endswith(b"\r\n"):
        line += b"\r\n"
    if form == "simple":
        return line
    name, _, value = line.partition(b":")
    return name.strip().lower() + b":" + _single_spaced(value.replace(b"\r\n", b"")).strip(b" ") + b"\r\n"


def body(raw: bytes, form: Form) -> bytes:
    """Canonicalize the whole body (RFC 6376 3.4.3, RFC 6376 3.4.4)."""
    text = with_crlf(raw)
    if form == "relaxed":
        text = _single_spaced(text).replace(b" \r\n", b"\r\n").removesuffix(b" ")
        core = _without_empty_lines(text)
        return core + b"\r\n" if core else b""
    return _without_empty_lines(text) + b"\r\n"


def _single_spaced(text: bytes) -> bytes:
    """Replace each run of spaces and tabs by one space. A regular expression would allocate an object for each run."""
    text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _without_empty_lines(text: bytes) -> bytes:
    """Remove the CR LF pairs at the end, without a step for each of them: a message may have ten million."""
    content = len(text.rstrip(b"\r\n"))
    if not text.endswith(b"\n"):
        return text
    return text[: max(content, text.rfind(b"\r\r", content) + 1)]
