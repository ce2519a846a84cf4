"""The shapes of rows in the queue file, and of the headers in them."""

from __future__ import annotations

import json
from collections.abc import Mapping

# first_seen (epoch seconds), attempts up to the last retry, times that a crash gave it back since, headers
# (JSON), body.
Row = tuple[float, int, int, str | None, bytes]
# The same with the id in front.
StoredRow = tuple[int, float, int, int, str | None, bytes]
# id, reason, died_at (epoch seconds), attempts, headers (JSON), body.
DeadRow = tuple[int, str, float, int, str | None, bytes]


# Among the headers, but not the caller's: tries that ended in a bug. It is there for the few that had one.
_BUGS = "facteur-bugs"


def encode_headers(headers: Mapping[str, str] | None) -> str | None:
    """None for no headers, which is the most frequent case."""
    return json.dumps(dict(headers)) if headers else None


def decode_headers(text: str | None) -> dict[str, str]:
    """The caller's headers."""
    if not text:
        return {}
    headers: dict[str, str] = json.loads(text)
    headers.pop(_BUGS, None)
    return headers


def bugs_of(text: str | None) -> int:
    """The tries that ended in a bug."""
    return int(json.loads(text).get(_BUGS, 0)) if text else 0


def with_bugs(text: str | None, bugs: int) -> str | None:
    """The same headers, after so many tries that ended in a bug."""
    own = {_BUGS: str(bugs)} if bugs else {}
    return encode_headers({**decode_headers(text), **own})
