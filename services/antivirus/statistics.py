"""Statistics that are counted in memory and written periodically, apart from the delivery of mail.

A crash loses the counts of a few seconds, and a message that is delivered twice counts twice: they are statistics, and
nothing is decided by them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from services.antivirus.domain.inspection import InspectedAttachment
from services.antivirus.domain.judgement import ScanJudgement
from services.antivirus.ports import StatisticsStore

log = structlog.get_logger(__name__)

MAX_WAITING = 50_000  # while the database is away, memory stays flat and later attachments go uncounted


class ScanStatistics:
    """Counts since the last write."""

    def __init__(self, counts: StatisticsStore, clock: Callable[[], datetime]) -> None:
        self._counts = counts
        self._clock = clock
        self._attachments: dict[bytes, tuple[int, int]] = {}
        self._events: Counter[tuple[str, str]] = Counter()

    def saw(self, attachments: Iterable[InspectedAttachment]) -> None:
        """Count each attachment once more."""
        for attachment in attachments:
            self._add(attachment.digest, 1, attachment.size_bytes)

    def judged(self, judgement: ScanJudgement) -> None:
        """Count a message; viruses by name, other detections by kind."""
        self._events["message", judgement.action] += 1
        for name in {name for _, name in judgement.viruses}:
            self._events["virus", name] += 1
        for name in {finding.name for finding in judgement.detected}:
            self._events["finding", name] += 1

    async def write(self) -> None:
        """Write all counts. Raises `Temporary` and keeps the counts in that case."""
        attachments, self._attachments = self._attachments, {}
        events, self._events = self._events, Counter()
        try:
            if attachments:
                await self._counts.add_attachments(attachments, self._clock())
                attachments = {}
            if events:
                await self._counts.add_events(events, self._clock())
                events = Counter()
        finally:
            self._events.update(events)
            for digest, (times, size) in attachments.items():
                self._add(digest, times, size)

    def _add(self, digest: bytes, times: int, size: int) -> None:
        before, _ = self._attachments.get(digest, (0, 0))
        if before or len(self._attachments) < MAX_WAITING:
            self._attachments[digest] = (before + times, size)
