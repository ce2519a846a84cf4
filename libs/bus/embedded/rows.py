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


def encode_headers(headers: Mapping[str, str] | None) -> str | None:
    """None for no headers, which is the most frequent case."""
    return json.dumps(dict(headers)) if headers else None


def decode_headers(text: str | None) -> dict[str, str]:
    return json.loads(text) if text else {}
