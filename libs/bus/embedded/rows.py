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


# Among the headers, but not the caller's: tries that ended in a bug, and crashes with the message alone in flight. They
# are there for the few that had one.
_BUGS, _CRASHES = "facteur-bugs", "facteur-crashes"


def encode_headers(headers: Mapping[str, str] | None) -> str | None:
    """None for no headers, which is the most frequent case."""
    return json.dumps(dict(headers)) if headers else None


def decode_headers(text: str | None) -> dict[str, str]:
    """The caller's headers."""
    if not text:
        return {}
    headers: dict[str, str] = json.loads(text)
    headers.pop(_BUGS, None)
    headers.pop(_CRASHES, None)
    return headers


def bugs_of(text: str | None) -> int:
    """The tries that ended in a bug."""
    return int(json.loads(text).get(_BUGS, 0)) if text else 0


def with_bugs(text: str | None, bugs: int) -> str | None:
    """The same headers, after so many tries that ended in a bug."""
    return _with(text, _BUGS, bugs)


def crashes_of(text: str | None) -> int:
    """The crashes with the message alone in flight."""
    return int(json.loads(text).get(_CRASHES, 0)) if text else 0


def with_crashes(text: str | None, crashes: int) -> str | None:
    """The same headers, after so many crashes with the message alone in flight."""
    return _with(text, _CRASHES, crashes)


def _with(text: str | None, name: str, count: int) -> str | None:
    headers: dict[str, str] = json.loads(text) if text else {}
    headers.pop(name, None)
    return encode_headers({**headers, name: str(count)} if count else headers)
