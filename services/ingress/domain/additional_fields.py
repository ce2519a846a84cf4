"""The header fields of a message that its author may set besides those that have a member of their own.

Only known fields are allowed: a trace, a signature or a second author would be a forgery, and a field that RFC 5322 3.6
allows once would be there twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from libs.mail.folding import fold

MAX_FIELDS: Final = 50
MAX_VALUE_CHARACTERS: Final = 2000
# A longer word would be encoded to fit a line (RFC 5322 2.1.1), which a structured field does not allow.
_MAX_WORD_CHARACTERS: Final = 800

# RFC 2047 5: encoded-words have a place in unstructured fields only; `Keywords` has phrases.
_TEXTS: Final = frozenset({"comments", "keywords", "organization"})
_STRUCTURED: Final = frozenset({
    "auto-submitted",  # RFC 3834 5
    "feedback-id",
    "importance", "priority", "sensitivity",  # RFC 2156 2.3
    "list-archive", "list-help", "list-owner", "list-post", "list-subscribe", "list-unsubscribe",  # RFC 2369 3
    "list-id",  # RFC 2919 2
    "list-unsubscribe-post",  # RFC 8058 3.1
    "precedence",
})  # fmt: skip
_OWN_NAME: Final = re.compile(r"x-[a-z0-9][a-z0-9-]{0,70}")
# What the cluster writes, or reads as its own.
_RESERVED: Final = ("x-facteur-", "x-spam-", "x-virus-", "x-original-to")

_MESSAGE_ID: Final = re.compile(r"<([!-;=?A-~]+@[!-;=?A-~]+)>|([!-;=?A-~]+@[!-;=?A-~]+)")
_MAX_MESSAGE_ID_CHARACTERS: Final = 250


def additional_fields(given: Mapping[str, str]) -> bytes:
    """Return the fields, folded. Raises `ValueError` for a field or value that is not allowed."""
    if len(given) > MAX_FIELDS:
        raise ValueError(f"headers: at most {MAX_FIELDS} fields are allowed")
    if len({name.lower() for name in given}) != len(given):
        raise ValueError("headers: a field is there twice")
    return b"".join(_field(name, value) for name, value in given.items())


def _field(name: str, value: str) -> bytes:
    lower = name.lower()
    is_text = lower in _TEXTS or _OWN_NAME.fullmatch(lower) is not None
    if lower.startswith(_RESERVED) or not (is_text or lower in _STRUCTURED):
        raise ValueError(f"headers: the field {name[:80]!a} is not allowed")
    if not value.strip() or not value.isprintable() or len(value) > MAX_VALUE_CHARACTERS:
        raise ValueError(f"headers: the value of {name} has 1 to {MAX_VALUE_CHARACTERS} printable characters")
    if not is_text and (not value.isascii() or max(map(len, value.split())) > _MAX_WORD_CHARACTERS):
        raise ValueError(f"headers: {name} has words of ASCII, of at most {_MAX_WORD_CHARACTERS} characters")
    return fold(name, value)


def message_id(text: str) -> str:
    """Return `text` as a msg-id in angle brackets (RFC 5322 3.6.4). Raises `ValueError`."""
    found = _MESSAGE_ID.fullmatch(text.strip(" "))
    if found is None or len(text) > _MAX_MESSAGE_ID_CHARACTERS:
        raise ValueError("a message id has the form <left@right>, in ASCII and without spaces")
    return f"<{found[1] or found[2]}>"


def thread_fields(in_reply_to: str | None, references: Sequence[str]) -> bytes:
    """Return In-Reply-To and References. Raises `ValueError`.

    RFC 5322 3.6.4: a reply refers to its parent; without `references` of the parent, to the parent alone.
    """
    parents = [message_id(in_reply_to)] if in_reply_to is not None else []
    thread = [message_id(each) for each in references] or parents
    fields = (("In-Reply-To", parents), ("References", thread))
    return b"".join(fold(name, " ".join(ids)) for name, ids in fields if ids)
