"""What each filter did, for Prometheus: plain numbers, read when asked; labels would cost more than most filters."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from services.antispam.filtering.runner import Runner

_FAMILIES = (
    ("runs", "runs", "Messages that the filter checked."),
    ("hits", "hits", "Messages that the filter hit."),
    ("errors", "errors", "Messages on which the filter failed."),
    ("seconds", "duration_seconds", "Time that the filter took."),
)


class FilterMetrics(Collector):
    """Collect `facteur_antispam_filter_runs`, `_hits`, `_errors` and `_duration_seconds`, by filter."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def collect(self) -> Iterator[Metric]:
        for field, suffix, text in _FAMILIES:
            family = CounterMetricFamily(f"facteur_antispam_filter_{suffix}", text, labels=("filter",))
            for name, totals in self._runner.totals.items():
                family.add_metric((name,), getattr(totals, field))
            yield family
