"""Other readers of mail, as witnesses of what people may see in a message: the names and octets of its leaves."""

from __future__ import annotations

import email
import email.policy
import warnings
from collections.abc import Callable, Iterator

import fast_mail_parser

Leaf = tuple[str, bytes]


def python_compat32(raw: bytes) -> list[Leaf]:
    """Python's `email` as it was before 3.3."""
    return list(_of_python(raw, email.policy.compat32))


def python_default(raw: bytes) -> list[Leaf]:
    """Python's `email` of today; what it cannot read at all nobody sees in it."""
    return list(_of_python(raw, email.policy.default))


def rust(raw: bytes) -> list[Leaf]:
    """The crate `mailparse`."""
    try:
        root = fast_mail_parser.parse_email_tree(raw)
    except fast_mail_parser.ParseError:
        return []
    leaves, waiting = [], [root]
    while waiting:
        part = waiting.pop()
        waiting += part.children
        if part.content is not None:
            leaves.append((part.filename, part.content))
    return leaves


WITNESSES: dict[str, Callable[[bytes], list[Leaf]]] = {
    "compat32": python_compat32,
    "default": python_default,
    "rust": rust,
}


def _of_python(raw: bytes, policy: email.policy.Policy) -> Iterator[Leaf]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message = email.message_from_bytes(raw, policy=policy)
        for part in message.walk():
            if not part.is_multipart():
                yield _name_of(part), _content_of(part)


def _name_of(part: email.message.Message) -> str:
    try:
        return part.get_filename() or ""
    except Exception:  # it raises many things over damaged parameters
        return ""


def _content_of(part: email.message.Message) -> bytes:
    try:
        content = part.get_payload(decode=True)
    except Exception:
        return b""
    return content if isinstance(content, bytes) else b""
