"""One digest for all copies of a mass mailing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha1

# Senders vary numbers, spacing, punctuation, and the address or name of the recipient between copies.
_VARIES = bytes(range(0x41)) + bytes(range(0x5B, 0x61)) + bytes(range(0x7B, 0x80))
_ADDRESS = re.compile(r"(?<![^\s@<>()\",;:])[^\s@<>()\",;:]++@[^\s@<>()\",;:]++")
_URL_TAIL = re.compile(r"(https?://[^\s/\"'<>?#]{1,255})[^\s\"'<>]*+")
_SHORT_OCTETS = 100  # "ok, thanks" is the same from many authors: a short text is told apart by its author


def message_digest(author: str, subject: str, text: str, attachment_sizes: Sequence[int]) -> str:
    """Hash subject, text and sizes of attachments, normalised, of a short message the author too: 40 hex digits.

    The digest marks copies and proves nothing, hence SHA-1 suffices.
    """
    if "@" in text:
        text = _ADDRESS.sub("", text)
    if "://" in text:
        text = _URL_TAIL.sub(r"\1", text)
    words = _letters(subject) + b"\0" + _letters(text)
    sizes = ",".join(map(str, attachment_sizes))
    signed = f"{sizes}\0{author}" if len(words) < _SHORT_OCTETS else sizes
    return sha1(words + b"\0" + signed.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def _letters(text: str) -> bytes:
    return text.lower().encode("utf-8", "replace").translate(None, _VARIES)
