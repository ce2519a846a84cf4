"""All engines together: nothing is clean while one of them is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.envelope import Temporary
from libs.telemetry import Metrics
from services.antivirus.api import EngineView
from services.antivirus.domain.detections import Detection, DetectionKind
from services.antivirus.engines import Engines, EngineState
from services.antivirus.metrics import AntivirusMetrics
from services.antivirus.ports import ScanItem, Signatures

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ITEM = ScanItem(b"octets")
VIRUS = Detection(DetectionKind.VIRUS, "Worm.A")
MACRO = Detection(DetectionKind.MACRO, "a.doc")


class Scripted:
    """Answers as it is told; `asked` counts scans."""

    def __init__(self, name: str, *detections: Detection, up: bool = True, in_process: bool = True) -> None:
        self.name = name
        self.in_process = in_process
        self.up = up
        self.detections = detections
        self.asked = 0
        self.signatures = Signatures("7", NOW - timedelta(hours=30))

    async def scan(self, item: ScanItem) -> Sequence[Detection]:
        self.asked += 1
        self._answer()
        return self.detections

    async def probe(self) -> Signatures:
        self._answer()
        return self.signatures

    async def close(self) -> None:
        self.up = False

    def _answer(self) -> None:
        if not self.up:
            raise Temporary(f"{self.name}: no answer")


async def panel(*engines: Scripted) -> Engines:
    made = Engines(engines, AntivirusMetrics.of(Metrics()), lambda: NOW)
    await made.probe()
    return made


@pytest.mark.parametrize("away", [(), ("a",), ("a", "b")])
async def test_every_engine_reports(away: tuple[str, ...]) -> None:
    engines = (Scripted("a", in_process="a" not in away), Scripted("b", MACRO, in_process="b" not in away))
    reports = await (await panel(*engines)).scan(ITEM)
    assert [(report.engine, tuple(report.detections)) for report in reports] == [("a", ()), ("b", (MACRO,))]


@pytest.mark.parametrize("others", [(), ("clean",), ("seen",)])
async def test_nothing_is_known_while_one_is_silent(others: tuple[str, ...]) -> None:
    helpers = [Scripted(name, *([MACRO] if name == "seen" else [])) for name in others]
    engines = await panel(*helpers, Scripted("silent", up=False))
    with pytest.raises(Temporary, match="silent"):
        await engines.scan(ITEM)
    with pytest.raises(Temporary, match="silent: "):
        await engines.check()


async def test_a_virus_is_one_whoever_else_is_silent() -> None:
    engines = await panel(Scripted("silent", up=False), Scripted("b", VIRUS))
    assert [report.engine for report in await engines.scan(ITEM)] == ["b"]


async def test_nobody_waits_for_one_that_is_known_to_be_down() -> None:
    silent = Scripted("silent")
    engines = await panel(silent)
    silent.up = False
    for _ in range(3):
        with pytest.raises(Temporary):
            await engines.scan(ITEM)
    assert silent.asked == 1


async def test_one_that_failed_is_asked_at_once_whether_it_is_back() -> None:
    engine = Scripted("a")
    engines = await panel(engine)
    watching = asyncio.create_task(engines.watch(timedelta(hours=1)))
    await asyncio.sleep(0)
    engine.up = False
    with pytest.raises(Temporary):
        await engines.scan(ITEM)
    engine.up = True
    async with asyncio.timeout(10):
        while not engines.states()[0].up:
            await asyncio.sleep(0.001)
    await engines.check()
    watching.cancel()


async def test_an_engine_that_was_never_asked_is_not_trusted() -> None:
    engines = Engines([Scripted("a")], AntivirusMetrics.of(Metrics()), lambda: NOW)
    with pytest.raises(Temporary, match="not asked yet"):
        await engines.scan(ITEM)


async def test_the_series_tell_who_is_up_and_how_old_signatures_are() -> None:
    series = AntivirusMetrics.of(Metrics())
    await Engines([Scripted("a"), Scripted("b", up=False)], series, lambda: NOW).probe()
    page = series.metrics.render().decode()
    for line in (
        'facteur_antivirus_engine_up{engine="a"} 1.0',
        'facteur_antivirus_engine_up{engine="b"} 0.0',
        'facteur_antivirus_signature_age_seconds{engine="a"} 108000.0',
    ):
        assert line in page


async def test_signatures_of_an_engine_that_is_down_grow_older() -> None:
    series, engine, now = AntivirusMetrics.of(Metrics()), Scripted("a"), [NOW]
    engines = Engines([engine], series, lambda: now[0])
    await engines.probe()
    engine.up, now[0] = False, NOW + timedelta(hours=1)
    await engines.probe()
    assert 'facteur_antivirus_signature_age_seconds{engine="a"} 111600.0' in series.metrics.render().decode()


async def test_signatures_that_cannot_be_renewed_are_seen() -> None:
    series, engine = AntivirusMetrics.of(Metrics()), Scripted("a")
    engine.signatures = replace(engine.signatures, trouble="a.yar: syntax error")
    engines = Engines([engine], series, lambda: NOW)
    await engines.probe()
    assert 'facteur_antivirus_signatures_broken{engine="a"} 1.0' in series.metrics.render().decode()
    view = EngineView.of(engines.states()[0], NOW, timedelta(hours=24))
    assert (view.up, view.trouble) == (True, "a.yar: syntax error")


@pytest.mark.parametrize(("hours", "daily", "stale"), [(23, True, False), (25, True, True), (25, False, False)])
async def test_only_signatures_that_come_daily_are_ever_stale(hours: int, daily: bool, stale: bool) -> None:
    state = EngineState("a", up=True, signatures=Signatures("7", NOW - timedelta(hours=hours), daily=daily))
    view = EngineView.of(state, NOW, timedelta(hours=24))
    assert (view.stale, view.signature_age_seconds, view.signature_version) == (stale, hours * 3600, "7")


def test_a_service_without_engines_does_not_start() -> None:
    with pytest.raises(ValueError, match="no antivirus engine"):
        Engines([], AntivirusMetrics.of(Metrics()), lambda: NOW)
