"""What each filter did, for Prometheus: plain numbers, read when asked; labels would cost more than most filters."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from services.antispam.filtering.judging import Runner


class TallyCollector(Collector):
    """`facteur_filter_runs`, `_hits`, `_errors` and `_seconds`, by filter."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def collect(self) -> Iterator[Metric]:
        for field, text in (
            ("runs", "Messages that the filter looked at."),
            ("hits", "Messages that it hit."),
            ("errors", "Messages on which it failed."),
            ("seconds", "Time that it took."),
        ):
            family = CounterMetricFamily(f"facteur_filter_{field}", text, labels=("filter",))
            for name, tally in self._runner.tallies.items():
                family.add_metric((name,), getattr(tally, field))
            yield family
