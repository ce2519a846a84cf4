"""One digest for all copies of a mass mailing (R-SPAM-21)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha1

# What senders vary between copies: numbers, spacing, punctuation, and the address or name of the recipient.
_VARIES = bytes(range(0x41)) + bytes(range(0x5B, 0x61)) + bytes(range(0x7B, 0x80))
_ADDRESS = re.compile(r"(?<![^\s@<>()\",;:])[^\s@<>()\",;:]++@[^\s@<>()\",;:]++")
_URL_TAIL = re.compile(r"(https?://[^\s/\"'<>?#]{1,255})[^\s\"'<>]*+")
_SHORT_OCTETS = 100  # "ok, thanks" is the same from anyone: then the author belongs to the message


def message_digest(author: str, subject: str, text: str, attachment_sizes: Sequence[int]) -> str:
    """160 bits as 40 hex digits over subject, text and sizes of attachments, normalised; a short one with its author.

    A mark of sameness and no proof of anything, hence SHA-1 will do.
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
