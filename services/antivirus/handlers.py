"""From the queue through all engines, to antispam or into the quarantine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from libs.bus import Event
from libs.envelope import Mail
from libs.envelope.queues import ANTISPAM, ANTIVIRUS, QUARANTINE
from libs.events import VirusFound
from libs.mail.message import parse
from libs.runtime import QueueHandler, Route
from services.antivirus.domain.judgement import DetectionPolicy, ScanJudgement, judge
from services.antivirus.engines import Engines
from services.antivirus.metrics import AntivirusMetrics
from services.antivirus.ports import ScanItem
from services.antivirus.statistics import ScanStatistics

log = structlog.get_logger(__name__)

PREFETCH = 50


class Scanner:
    """Scans an item and counts the result; the queue and the API share it."""

    def __init__(
        self, engines: Engines, policy: DetectionPolicy, statistics: ScanStatistics, metrics: AntivirusMetrics
    ) -> None:
        self._engines = engines
        self._policy = policy
        self._statistics = statistics
        self._metrics = metrics

    async def judgement_of(self, item: ScanItem) -> ScanJudgement:
        """Raises `Temporary` while an engine is down."""
        judgement = judge(await self._engines.scan(item), self._policy)
        self._statistics.judged(judgement)
        self._metrics.judged(judgement)
        return judgement


class MailScanner:
    """Scans mail; infected mail goes to the quarantine with all its recipients, without a notice."""

    def __init__(self, scanner: Scanner, emit: Callable[[Event], Awaitable[None]]) -> None:
        self._scanner = scanner
        self._emit = emit

    async def scan(self, mail: Mail) -> Iterable[Route]:
        """Return the next step, with the findings on the envelope."""
        raw = mail.raw
        judgement = await self._scanner.judgement_of(ScanItem(raw, parse(raw)))
        envelope = mail.envelope.found(*judgement.findings)
        if not judgement.quarantine_reason:
            return (Route(ANTISPAM, mail.with_envelope(envelope)),)
        await self._announce(mail, judgement)
        held = envelope.model_copy(update={"quarantine_reason": judgement.quarantine_reason})
        return (Route(QUARANTINE, mail.with_envelope(held)),)

    async def _announce(self, mail: Mail, judgement: ScanJudgement) -> None:
        log.warning("mail_held", id=mail.envelope.id, reason=judgement.quarantine_reason)
        if judgement.infected:
            names = sorted({name for _, name in judgement.viruses})
            engines = sorted({engine for engine, _ in judgement.viruses})
            await self._emit(VirusFound(id=mail.envelope.id, names=names, engines=engines).to_bus())


def handler_table(scanner: MailScanner) -> Sequence[QueueHandler]:
    """Return the queues that this service consumes."""
    return (QueueHandler(queue=ANTIVIRUS, handle=scanner.scan, prefetch=PREFETCH),)
