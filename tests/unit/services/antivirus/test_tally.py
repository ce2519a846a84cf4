"""Counts between two writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from libs.envelope import Temporary
from services.antivirus import tally as module
from services.antivirus.domain.inspection import Attachment
from services.antivirus.domain.judgement import Judgement, judge
from services.antivirus.domain.sightings import Kind, Report, Sighting
from services.antivirus.settings import Settings
from services.antivirus.tally import Tally

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, OTHER = Attachment(b"1" * 32, 10), Attachment(b"2" * 32, 20)


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


def a_judgement() -> Judgement:
    sightings = (Sighting(Kind.VIRUS, "Worm.A"), Sighting(Kind.MACRO, "a"), Sighting(Kind.MACRO, "b"))
    return judge([Report("one", sightings), Report("two", sightings[:1])], Settings().policy)


async def test_all_that_was_seen_is_one_write() -> None:
    written = Written()
    tally = Tally(written, lambda: NOW)
    tally.saw([ONE, OTHER])
    tally.saw([ONE])
    tally.judged(a_judgement())
    await tally.write()
    await tally.write()
    assert written.attachments == [{ONE.digest: (2, 10), OTHER.digest: (1, 20)}]
    assert written.events == [{("message", "quarantine"): 1, ("virus", "Worm.A"): 1, ("finding", "macro"): 1}]


async def test_what_could_not_be_written_is_written_later() -> None:
    written = Written()
    tally = Tally(written, lambda: NOW)
    tally.saw([ONE])
    tally.judged(a_judgement())
    written.fails = True
    with pytest.raises(Temporary):
        await tally.write()
    tally.saw([ONE])
    written.fails = False
    await tally.write()
    assert written.attachments == [{ONE.digest: (2, 10)}]
    assert written.events[0]["virus", "Worm.A"] == 1


async def test_while_the_database_is_away_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    written = Written()
    tally = Tally(written, lambda: NOW)
    tally.saw([ONE, OTHER, Attachment(b"3" * 32, 30), ONE])
    await tally.write()
    assert written.attachments == [{ONE.digest: (2, 10), OTHER.digest: (1, 20)}]
