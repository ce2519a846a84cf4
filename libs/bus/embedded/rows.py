"""The shapes of rows in the queue file, and of the headers in them."""

from __future__ import annotations

import json
from collections.abc import Mapping

# first_seen (epoch seconds), attempts up to the last retry, redeliveries after crashes since, headers (JSON), body.
Row = tuple[float, int, int, str | None, bytes]
# The same columns behind the id.
StoredRow = tuple[int, float, int, int, str | None, bytes]
# id, reason, died_at (epoch seconds), attempts, headers (JSON), body.
DeadRow = tuple[int, str, float, int, str | None, bytes]


# Headers of the bus: attempts that ended in a bug, and crashes with the message alone in flight; absent if 0.
_BUGS, _CRASHES = "facteur-bugs", "facteur-crashes"


def encode_headers(headers: Mapping[str, str] | None) -> str | None:
    """None for no headers, which is the most frequent case."""
    return json.dumps(dict(headers)) if headers else None


def decode_headers(text: str | None) -> dict[str, str]:
    """The headers of the caller."""
    if not text:
        return {}
    headers: dict[str, str] = json.loads(text)
    headers.pop(_BUGS, None)
    headers.pop(_CRASHES, None)
    return headers


def bugs_of(text: str | None) -> int:
    """The number of attempts that ended in a bug."""
    return int(json.loads(text).get(_BUGS, 0)) if text else 0


def with_bugs(text: str | None, bugs: int) -> str | None:
    """The headers with the number of attempts that ended in a bug."""
    return _with(text, _BUGS, bugs)


def crashes_of(text: str | None) -> int:
    """The number of crashes with the message alone in flight."""
    return int(json.loads(text).get(_CRASHES, 0)) if text else 0


def with_crashes(text: str | None, crashes: int) -> str | None:
    """The headers with the number of crashes with the message alone in flight."""
    return _with(text, _CRASHES, crashes)


def _with(text: str | None, name: str, count: int) -> str | None:
    headers: dict[str, str] = json.loads(text) if text else {}
    headers.pop(name, None)
    return encode_headers({**headers, name: str(count)} if count else headers)
