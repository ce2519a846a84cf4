"""What a service needs besides itself: looked at now and then, shown as a series, told when it goes and comes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import structlog

from libs.http.probes import Check, missing
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

PERIOD = timedelta(seconds=10)


class Dependencies:
    """`look` is a round of background work. That something is away is no failure of the round."""

    def __init__(self, checks: Mapping[str, Check], metrics: Metrics) -> None:
        self.checks = checks
        self._up = metrics.gauge("facteur_dependency_up", "Whether a dependency answers: 1 or 0.", ("name",))
        self._away: set[str] = set()

    async def look(self) -> None:
        """Ask all of them."""
        away = await missing(self.checks)
        for name in self.checks:
            self._up.labels(name).set(0 if name in away else 1)
        for name in away.keys() - self._away:
            log.error("dependency_lost", name=name, reason=away[name])
        for name in self._away - away.keys():
            log.info("dependency_back", name=name)
        self._away = set(away)
