"""Metrics of antivirus. Engines and kinds are labels, never a virus name, a file name or an address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Counter, Gauge

from libs.telemetry import Metrics
from services.antivirus.domain.judgement import ScanJudgement
from services.antivirus.ports import Signatures


@dataclass(frozen=True, slots=True)
class AntivirusMetrics:
    """Gauges of each engine, counters of detections."""

    metrics: Metrics
    engine_up: Gauge
    signature_age: Gauge
    signatures_broken: Gauge
    infected: Counter
    seen: Counter

    @classmethod
    def of(cls, metrics: Metrics) -> AntivirusMetrics:
        """Register the metrics, once in a process."""
        return cls(
            metrics,
            metrics.gauge(
                "facteur_antivirus_engine_up", "1 while the engine answers, 0 while mail waits for it.", ("engine",)
            ),
            metrics.gauge("facteur_antivirus_signature_age_seconds", "Age of the engine's signatures.", ("engine",)),
            metrics.gauge(
                "facteur_antivirus_signatures_broken",
                "1 while newer signatures cannot be used, see GET /v1/engines.",
                ("engine",),
            ),
            metrics.counter(
                "facteur_antivirus_infected_messages",
                "Infected messages, by the engine that detected the virus.",
                ("engine",),
            ),
            metrics.counter(
                "facteur_antivirus_detections", "Messages with a detection, by kind and action.", ("kind", "action")
            ),
        )

    def engine_is(self, engine: str, *, up: bool) -> None:
        self.engine_up.labels(engine).set(1 if up else 0)

    def signatures_are(self, engine: str, signatures: Signatures, now: datetime) -> None:
        """Set the age of signatures; without a date there is no series that an alert could misread."""
        self.signatures_broken.labels(engine).set(1 if signatures.trouble else 0)
        if signatures.released_at is not None:
            self.signature_age.labels(engine).set((now - signatures.released_at).total_seconds())

    def judged(self, judgement: ScanJudgement) -> None:
        """Count detections. The runner counts clean mail."""
        for engine in {engine for engine, _ in judgement.viruses}:
            self.infected.labels(engine).inc()
        for finding in judgement.detected:
            self.seen.labels(finding.name, finding.outcome).inc()
