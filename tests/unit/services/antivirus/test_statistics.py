"""Counts between two writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from libs.envelope import Temporary
from services.antivirus import statistics as module
from services.antivirus.domain.detections import Detection, DetectionKind, EngineReport
from services.antivirus.domain.inspection import InspectedAttachment
from services.antivirus.domain.judgement import ScanJudgement, judge
from services.antivirus.settings import Settings
from services.antivirus.statistics import ScanStatistics

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, OTHER = InspectedAttachment(b"1" * 32, 10), InspectedAttachment(b"2" * 32, 20)


class Written:
    """Keeps what it is given, or fails."""

    def __init__(self) -> None:
        self.fails = False
        self.attachments: list[Mapping[bytes, tuple[int, int]]] = []
        self.events: list[Mapping[tuple[str, str], int]] = []

    async def add_attachments(self, seen: Mapping[bytes, tuple[int, int]], now: datetime) -> None:
        if self.fails:
            raise Temporary("no database")
        self.attachments.append(dict(seen))

    async def add_events(self, counts: Mapping[tuple[str, str], int], now: datetime) -> None:
        if self.fails:
            raise Temporary("no database")
        self.events.append(dict(counts))


def a_judgement() -> ScanJudgement:
    detections = (
        Detection(DetectionKind.VIRUS, "Worm.A"),
        Detection(DetectionKind.MACRO, "a"),
        Detection(DetectionKind.MACRO, "b"),
    )
    return judge([EngineReport("one", detections), EngineReport("two", detections[:1])], Settings().policy)


async def test_all_that_was_seen_is_one_write() -> None:
    written = Written()
    statistics = ScanStatistics(written, lambda: NOW)
    statistics.saw([ONE, OTHER])
    statistics.saw([ONE])
    statistics.judged(a_judgement())
    await statistics.write()
    await statistics.write()
    assert written.attachments == [{ONE.digest: (2, 10), OTHER.digest: (1, 20)}]
    assert written.events == [{("message", "quarantine"): 1, ("virus", "Worm.A"): 1, ("finding", "macro"): 1}]


async def test_what_could_not_be_written_is_written_later() -> None:
    written = Written()
    statistics = ScanStatistics(written, lambda: NOW)
    statistics.saw([ONE])
    statistics.judged(a_judgement())
    written.fails = True
    with pytest.raises(Temporary):
        await statistics.write()
    statistics.saw([ONE])
    written.fails = False
    await statistics.write()
    assert written.attachments == [{ONE.digest: (2, 10)}]
    assert written.events[0]["virus", "Worm.A"] == 1


async def test_while_the_database_is_away_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    written = Written()
    statistics = ScanStatistics(written, lambda: NOW)
    statistics.saw([ONE, OTHER, InspectedAttachment(b"3" * 32, 30), ONE])
    await statistics.write()
    assert written.attachments == [{ONE.digest: (2, 10), OTHER.digest: (1, 20)}]
