"""The contract of all blob stores."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Protocol

from libs.envelope import Permanent

# It becomes a file name and a key, and comes from a queue.
_ID = re.compile(r"[0-9A-Za-z_-]{1,128}", re.ASCII)
_HOLDER = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}", re.ASCII)


class Missing(Permanent):
    """There is no such blob: the message that needs it can never be handled."""


class Blobs(Protocol):
    """All methods raise `Temporary` when the store does not answer or is full, `Missing` for an id that can be none."""

    async def put(self, id: str, content: bytes) -> None:
        """Returns when the blob is durable and whole; a crash leaves no partial blob visible. Idempotent."""

    async def get(self, id: str) -> bytes:
        """Return the content. Raises `Missing`."""

    async def touch(self, id: str) -> None:
        """Reset the age of a blob that is still needed. Raises `Missing`."""

    async def hold(self, id: str, holder: str) -> None:
        """Keep the blob until `holder` releases it, and reset its age. Idempotent. Raises `Missing`."""

    async def release(self, id: str, holder: str) -> None:
        """End the hold of `holder`. No error when it held nothing, or when the blob is gone."""

    async def delete(self, id: str) -> None:
        """Delete the blob; no error when it does not exist."""

    async def collect(self, untouched_since: datetime, *, released_before: datetime | None = None) -> int:
        """Delete the blobs that were last touched before, and what crashes left; returns how many blobs it were.

        With `released_before` also those that were held once and are held by nothing since then. A message that was
        published twice may still want its bytes after the first copy is done, so that this is some time ago.
        A blob whose `touch`, `hold` or `put` has returned is there afterwards, however the two ran against each other.
        """


def named(holder: str) -> str:
    """Return the holder. Raises `ValueError` for a text that is no name of a queue."""
    if not _HOLDER.fullmatch(holder):
        raise ValueError(f"{holder[:80]!r} cannot hold a blob")
    return holder


def possible(id: str) -> str:
    """Return the id. Raises `Missing` when no message can have it."""
    if not _ID.fullmatch(id):
        raise Missing(f"blob {id[:80]!r} cannot exist")
    return id
