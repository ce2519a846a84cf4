"""The dependencies of a service: checked periodically, shown as a metric, logged when they are lost and restored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import structlog

from libs.http.probes import Check, missing
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

PERIOD = timedelta(seconds=10)


class Dependencies:
    """`update` is run periodically. A dependency that is away is no failure of the run."""

    def __init__(self, checks: Mapping[str, Check], metrics: Metrics) -> None:
        self.checks = checks
        self._up = metrics.gauge("facteur_dependency_up", "Whether a dependency answers: 1 or 0.", ("name",))
        self._away: set[str] = set()

    async def update(self) -> None:
        """Check all of them and update the metric."""
        away = await missing(self.checks)
        for name in self.checks:
            self._up.labels(name).set(0 if name in away else 1)
        for name in away.keys() - self._away:
            log.error("dependency_lost", name=name, reason=away[name])
        for name in self._away - away.keys():
            log.info("dependency_restored", name=name)
        self._away = set(away)
