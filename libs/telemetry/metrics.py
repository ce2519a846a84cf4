"""Prometheus metrics. Each service has its own registry, so that several can run in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

# From a filter of a tenth of a millisecond to a handler at its deadline, seconds.
BUCKETS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0)


class Metrics:
    """The metrics of one service. The runtime fills the common ones; a service may add its own."""

    def __init__(self) -> None:
        # They would add an unused series to each counter.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.handled = self.counter(
            "facteur_messages_handled", "Tries at messages, by queue and outcome.", ("queue", "outcome")
        )
        self.handle_seconds = self.histogram(
            "facteur_message_handling_seconds", "Time of one try at a message, by queue.", ("queue",)
        )
        self.heard = self.counter(
            "facteur_events_handled", "Tries at events, by event and outcome.", ("event", "outcome")
        )
        self.published = self.counter(
            "facteur_messages_published", "Messages that the bus confirmed, by queue.", ("queue",)
        )
        self.periodic_runs = self.counter(
            "facteur_periodic_job_runs", "Runs of periodic jobs, by name and outcome.", ("name", "outcome")
        )
        self.periodic_last_success = self.gauge(
            "facteur_periodic_job_last_success_timestamp_seconds",
            "When a periodic job last succeeded, by name.",
            ("name",),
        )
        self._entries = self.gauge(
            "facteur_cache_entries", "Entries of a bounded cache of this process, by name.", ("name",)
        )
        self.in_flight = self.gauge("facteur_messages_in_flight", "Messages in flight now, by queue.", ("queue",))
        self.step_seconds = self.histogram(
            "facteur_step_duration_seconds", "Time of one engine, filter or step.", ("name", "outcome")
        )

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """A new counter (`_total` is added to its name)."""
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """A new gauge."""
        return Gauge(name, text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, labels: Sequence[str] = ()) -> Histogram:
        """A new histogram of seconds."""
        return Histogram(name, text, labels, buckets=BUCKETS, registry=self.registry)

    def entries(self, name: str, count: Callable[[], int]) -> None:
        """Show how many entries a bounded memory of this process holds; `count` is asked at each scrape."""
        self._entries.labels(name).set_function(count)

    def render(self) -> bytes:
        """The page of `/metrics` in Prometheus' text format."""
        return generate_latest(self.registry)
