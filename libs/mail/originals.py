"""A message as a mailbox shows it, back to the message as it came: our own fields would teach the filter itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from libs.mail.headers import Headers
from libs.mail.message import parse

MOST_ATTACHED = 100  # messages in one that is forwarded

_BLOCK_OCTETS = 64 * 1024
# libs.mail.render: our fields begin with the first and end with the second; foreign ones are removed.
_FIRST = re.compile(rb"return-path[ \t]*:", re.IGNORECASE)
_LAST = re.compile(rb"^x-facteur-envelope-to[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)
# RFC 3848 1: a keyword that ends with A marks an authenticated client.
SUBMITTED = re.compile(r"\bwith (?:HTTP|[A-Z0-9]*SMTPS?A)\b")


@dataclass(frozen=True, slots=True)
class Original:
    """`sender` and `peer` from our fields, empty without them; `submitted` marks mail of our own clients."""

    raw: bytes
    sender: str = ""
    peer: str = ""
    submitted: bool = False


def original_of(raw: bytes) -> Original:
    """Without the block of fields that we put on top at delivery; a message without it is as it came."""
    last = _LAST.search(raw, 0, _BLOCK_OCTETS) if _FIRST.match(raw) else None
    if last is None:
        return Original(raw)
    ours = Headers(raw[: last.end()] + b"\r\n")
    return Original(
        raw[last.end() :],
        sender=(ours.get("X-Facteur-Envelope-From") or "").strip().strip("<>").lower(),
        peer=(ours.get("X-Facteur-Peer") or "").strip(),
        submitted=SUBMITTED.search(ours.get("Received") or "") is not None,
    )


def attached_to(raw: bytes) -> Iterator[Original]:
    """The messages attached to one that was forwarded; not those inside of them. At most `MOST_ATTACHED`."""
    found, inside = 0, 0
    for part in parse(raw).parts():
        if not part.is_embedded_message:
            continue
        _, start, end = part.body_span
        if start < inside:
            continue
        inside, found = end, found + 1
        if found > MOST_ATTACHED:
            return
        if body := part.body():
            yield original_of(body)
