"""All engines scan an item together. An engine without an answer is down, and nothing is clean while one is down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from libs.envelope import Temporary
from services.antivirus.domain.detections import DetectionKind, EngineReport
from services.antivirus.metrics import AntivirusMetrics
from services.antivirus.ports import Engine, ScanItem, Signatures

log = structlog.get_logger(__name__)

FIRST_AGAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class EngineState:
    """The present state of an engine; `reason` says why it is down."""

    name: str
    up: bool = False
    reason: str = "not asked yet"
    signatures: Signatures | None = None


class Engines:
    """The configured engines. `watch` runs in the background and detects that an engine is back."""

    def __init__(self, engines: Sequence[Engine], metrics: AntivirusMetrics, clock: Callable[[], datetime]) -> None:
        if not engines:
            raise ValueError("no antivirus engine is configured: nothing could ever be called clean")
        self._watched = [_Watched(engine, metrics, clock) for engine in engines]

    async def scan(self, item: ScanItem) -> Sequence[EngineReport]:
        """Return the report of each engine. One virus is enough; otherwise a missing answer raises `Temporary`."""
        answers = await self._answers(item)
        reports = [answer for answer in answers if isinstance(answer, EngineReport)]
        missing = [answer for answer in answers if isinstance(answer, Temporary)]
        if missing and not any(found.kind is DetectionKind.VIRUS for report in reports for found in report.detections):
            raise missing[0]
        return reports

    async def _answers(self, item: ScanItem) -> Sequence[EngineReport | Temporary]:
        """Return answers in the order of the configuration. A task costs more than most scans in process."""
        if all(watched.in_process for watched in self._watched):
            return [await watched.answer(item) for watched in self._watched]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(watched.answer(item)) for watched in self._watched]
        return [task.result() for task in tasks]

    def states(self) -> list[EngineState]:
        """Return states in the order of the configuration."""
        return [watched.state for watched in self._watched]

    async def probe(self) -> None:
        """Probe all engines now."""
        async with asyncio.TaskGroup() as group:
            for watched in self._watched:
                group.create_task(watched.probe())

    async def watch(self, period: timedelta) -> None:
        """Ask each for ever: every `period`, at once when a scan has failed, and every second while it is down."""
        async with asyncio.TaskGroup() as group:
            for watched in self._watched:
                group.create_task(watched.keep_probing(period))

    async def check(self) -> None:
        """Raise `Temporary` with the names of the engines that are down."""
        down = [f"{state.name}: {state.reason}" for state in self.states() if not state.up]
        if down:
            raise Temporary("; ".join(down))


class _Watched:
    """One engine and its state. While it is down, messages wait in the queue and not in this process."""

    def __init__(self, engine: Engine, metrics: AntivirusMetrics, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self.in_process = engine.in_process
        self._metrics = metrics
        self._clock = clock
        self._failed = asyncio.Event()
        self._took = {
            outcome: metrics.metrics.step_seconds.labels(engine.name, outcome)
            for outcome in ("clean", "seen", "failed")
        }
        self.state = EngineState(engine.name)
        metrics.engine_is(engine.name, up=False)

    async def scan(self, item: ScanItem) -> EngineReport:
        """Raises `Temporary`, at once while the engine is down."""
        if not self.state.up:
            raise Temporary(f"{self._engine.name} is down: {self.state.reason}")
        started = time.perf_counter()
        try:
            detections = await self._engine.scan(item)
        except Temporary as error:
            self._took["failed"].observe(time.perf_counter() - started)
            self._goes_down(error.reason)
            raise
        seconds = time.perf_counter() - started
        self._took["seen" if detections else "clean"].observe(seconds)
        return EngineReport(self._engine.name, detections, seconds * 1000)

    async def answer(self, item: ScanItem) -> EngineReport | Temporary:
        """Scan, and return an error as a value, so that the reports of the other engines count."""
        try:
            return await self.scan(item)
        except Temporary as error:
            return error

    async def keep_probing(self, period: timedelta) -> None:
        while True:
            await self.probe()
            pause = period if self.state.up else min(period, FIRST_AGAIN)
            try:
                async with asyncio.timeout(pause.total_seconds()):
                    await self._failed.wait()
            except TimeoutError:
                continue  # nothing failed: it is simply time

    async def probe(self) -> None:
        self._failed.clear()
        try:
            signatures = await self._engine.probe()
        except Temporary as error:
            self._goes_down(error.reason)
            self._failed.clear()  # this failure has been seen; the next question may wait
            if self.state.signatures is not None:  # they grow old all the same
                self._metrics.signatures_are(self._engine.name, self.state.signatures, self._clock())
            return
        before = self.state.signatures
        if not self.state.up:
            log.info("engine_up", engine=self._engine.name, signatures=signatures.version)
        elif before is not None and before.version != signatures.version:
            log.info("signatures_renewed", engine=self._engine.name, signatures=signatures.version)
        self.state = EngineState(self._engine.name, up=True, reason="", signatures=signatures)
        self._metrics.engine_is(self._engine.name, up=True)
        self._metrics.signatures_are(self._engine.name, signatures, self._clock())

    def _goes_down(self, reason: str) -> None:
        if self.state.up:
            log.error("engine_down", engine=self._engine.name, reason=reason)
        self.state = replace(self.state, up=False, reason=reason)
        self._metrics.engine_is(self._engine.name, up=False)
        self._failed.set()
