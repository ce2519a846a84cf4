"""Composition root of the antivirus service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from libs.envelope import Temporary
from libs.events import FingerprintChanged
from libs.runtime import EventHandler, Periodic, Service, Shared
from libs.telemetry import Metrics
from services.antivirus.adapters.builtin import BuiltinEngine
from services.antivirus.adapters.clamd import ClamdEngine
from services.antivirus.adapters.counts import MongoCounts
from services.antivirus.adapters.fingerprints import MongoFingerprints
from services.antivirus.adapters.yara import YaraEngine
from services.antivirus.adapters.yara_rules import RuleFiles
from services.antivirus.api import ABOUT, routes
from services.antivirus.domain.engine_address import EngineAddress, names_of
from services.antivirus.engines import Engines
from services.antivirus.fingerprint_api import fingerprint_routes
from services.antivirus.handlers import MailScanner, Scanner, handler_table
from services.antivirus.metrics import AntivirusMetrics
from services.antivirus.ports import Engine
from services.antivirus.settings import Settings
from services.antivirus.statistics import ScanStatistics

log = structlog.get_logger(__name__)

NAME = "antivirus"

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `Temporary` when MongoDB does not answer. An engine that does not is waited for by the mail."""
    database = shared.mongo.database(NAME)
    known = MongoFingerprints(database, shared.clock)
    counts = MongoCounts(database, kept=settings.attachment_statistics_keep, days_kept=settings.daily_statistics_keep)
    await known.open()
    await counts.open()
    statistics = ScanStatistics(counts, shared.clock)
    metrics = Metrics()
    antivirus_metrics = AntivirusMetrics.of(metrics)
    adapters = list(_engines(settings, known, statistics))
    # Every engine fails closed: an unscanned message is never called clean.
    engines = Engines(adapters, antivirus_metrics, shared.clock)
    await engines.probe()
    scanner = Scanner(engines, settings.policy, statistics, antivirus_metrics)

    async def watch_engines() -> None:
        await engines.watch(settings.probe_period)

    try:
        yield Service(
            name=NAME,
            about=ABOUT,
            settings=settings,
            metrics=metrics,
            routers=(
                routes(scanner, engines, counts, stale_after=settings.signatures_stale_after, clock=shared.clock),
                fingerprint_routes(known, counts, emit=shared.bus.emit, clock=shared.clock),
            ),
            checks={"engines": engines.check},
            queue_handlers=handler_table(MailScanner(scanner, shared.bus.emit)),
            event_handlers=(EventHandler(FingerprintChanged, known.fingerprint_changed),),
            background=(
                watch_engines,
                Periodic("refresh_fingerprints", known.refresh, settings.fingerprint_refresh_period),
                Periodic("write_counts", statistics.write, settings.statistics_write_period),
            ),
            body_limit_bytes=settings.scan_limit_bytes,
        )
    finally:
        await _write_last(statistics)
        for adapter in adapters:
            await adapter.close()


def _engines(settings: Settings, known: MongoFingerprints, statistics: ScanStatistics) -> Sequence[Engine]:
    addresses = tuple(EngineAddress.read(text) for text in settings.engines)
    return [
        _engine(name, address, settings, known, statistics)
        for name, address in zip(names_of(addresses), addresses, strict=True)
    ]


def _engine(
    name: str, address: EngineAddress, settings: Settings, known: MongoFingerprints, statistics: ScanStatistics
) -> Engine:
    match address.kind:
        case "clamav":
            return ClamdEngine(
                name,
                address,
                connections=settings.clamav_connections,
                deadline=settings.engine_deadline,
                probe_deadline=settings.probe_deadline,
                limits=settings.limits,
                loop_limit_bytes=settings.inline_scan_limit_bytes,
            )
        case "yara":
            return YaraEngine(
                name,
                RuleFiles(settings.yara_rules),
                limits=settings.limits,
                threads=settings.scan_threads,
                loop_limit_bytes=settings.inline_scan_limit_bytes,
                deadline=settings.engine_deadline,
            )
        case "builtin":
            return BuiltinEngine(
                name,
                known,
                statistics,
                limits=settings.limits,
                threads=settings.scan_threads,
                loop_limit_bytes=settings.inline_scan_limit_bytes,
                deadline=settings.engine_deadline,
                others_open_archives=any(text.startswith("clamav:") for text in settings.engines),
            )


async def _write_last(statistics: ScanStatistics) -> None:
    try:
        await statistics.write()
    except Temporary as error:
        log.warning("counts_lost", reason=error.reason)
