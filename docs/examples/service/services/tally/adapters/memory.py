"""Counts in memory, bounded."""

from __future__ import annotations

from collections.abc import Mapping


class MemoryTallies:
    """Keeps the counts of at most `max_domains` domains; the oldest is forgotten first."""

    def __init__(self, max_domains: int) -> None:
        self._max_domains = max_domains
        self._counts: dict[str, int] = {}

    async def add(self, counts: Mapping[str, int]) -> None:
        for domain, number in counts.items():
            self._counts[domain] = self._counts.pop(domain, 0) + number
        while len(self._counts) > self._max_domains:
            del self._counts[next(iter(self._counts))]

    async def get(self, domain: str) -> int:
        return self._counts.get(domain, 0)
