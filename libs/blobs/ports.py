"""What every blob store promises."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from libs.envelope import Permanent


class Missing(Permanent):
    """There is no such blob: the message that needs it can never be handled."""


class Blobs(Protocol):
    """All methods raise `Temporary` when the store does not answer or is full."""

    async def put(self, id: str, content: bytes) -> None:
        """Returns when the blob is durable and whole; a crash leaves no partial blob visible. Idempotent."""

    async def get(self, id: str) -> bytes:
        """The content. Raises `Missing`."""

    async def touch(self, id: str) -> None:
        """Somebody still needs it: its age starts anew. Raises `Missing`."""

    async def delete(self, id: str) -> None:
        """Gone; no error when it was gone before."""

    async def collect(self, untouched_since: datetime) -> int:
        """Delete the blobs that were last touched before; returns how many."""
