"""What the rules need from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class TallyStore(Protocol):
    """Where counts are kept. A store with a database raises `Temporary` while that is away."""

    async def add(self, counts: Mapping[str, int]) -> None:
        """Add counts by domain."""

    async def get(self, domain: str) -> int:
        """Return the count of a domain, 0 for one that was never counted."""
