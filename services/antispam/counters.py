"""Statistics by domain and day (R-SPAM-47), counted in memory and written together.

A crash loses the counts of the last seconds, a write whose answer was lost counts twice: they are figures for people,
and no mail waits for them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime

from libs.envelope import Temporary, Verdict
from services.antispam.domain.judging import Judgement
from services.antispam.ports import CounterStore, HitStore


class Counters:
    """Names: `received`, `spam`, `whitelisted`, `action:NAME`, `filter:NAME` for each hit."""

    def __init__(self, store: CounterStore, rules: HitStore, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._hits: Counter[str] = Counter()
        self._counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def count(self, domain: str, judgement: Judgement, verdict: Verdict) -> None:
        """One message for `domain` (empty: outgoing)."""
        counts = self._counts[domain, self._clock().date().isoformat()]
        counts["received"] += 1
        if verdict.spam:
            counts["spam"] += 1
            counts[f"action:{verdict.action}"] += 1
        if verdict.whitelisted:
            counts["whitelisted"] += 1
        for seen in judgement.seen:
            self._hits.update(seen.report.rules)
        for test in verdict.tests:
            counts[f"filter:{test.name}" if test.outcome == "hit" else f"error:{test.name}"] += 1

    async def flush(self) -> None:
        """Write what was counted. Raises `Temporary`, and keeps the counts then."""
        if self._counts:
            await self._flush_counts()
        if self._hits:
            await self._flush_hits()

    async def _flush_counts(self) -> None:
        counts, self._counts = self._counts, defaultdict(Counter)
        try:
            await self._store.add(counts)
        except Temporary:
            for key, named in counts.items():
                self._counts[key].update(named)
            raise

    async def _flush_hits(self) -> None:
        hits, self._hits = self._hits, Counter()
        try:
            await self._rules.add_hits(hits)
        except Temporary:
            self._hits.update(hits)
            raise
