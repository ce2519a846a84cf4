"""The metrics of ingress. Labels are listeners, classes and reasons, never addresses."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from libs.envelope.model import Listener
from libs.telemetry import Metrics


class IngressMetrics(Metrics):
    """The metrics of all listeners."""

    def __init__(self) -> None:
        super().__init__()
        self.open_sessions = self.gauge(
            "facteur_ingress_open_sessions", "Sessions that are open, by listener.", ("listener",)
        )
        self.connections = self.counter(
            "facteur_ingress_connections", "Connections, by listener and outcome.", ("listener", "outcome")
        )
        self.refusals = self.counter(
            "facteur_ingress_refusals",
            "Commands that were refused, by listener, command and reason.",
            ("listener", "command", "reason"),
        )
        self.authentications = self.counter(
            "facteur_ingress_authentications", "Attempts to authenticate, by outcome.", ("outcome",)
        )
        self._listeners: dict[Listener, ListenerMetrics] = {}
        self.registry.register(_PlainCounters(self._listeners))

    def of(self, listener: Listener) -> ListenerMetrics:
        """Return the metrics of one listener."""
        return self._listeners.setdefault(listener, ListenerMetrics(self, listener))


class ListenerMetrics:
    """The metrics of one listener. Those that every command changes are plain numbers, read at each scrape."""

    def __init__(self, metrics: IngressMetrics, listener: Listener) -> None:
        self._metrics = metrics
        self._listener = listener
        self.open_sessions = metrics.open_sessions.labels(listener)
        self.replies = [0] * 6
        self.messages = 0
        self.octets = 0

    def replied(self, code: int) -> None:
        self.replies[code // 100] += 1

    def accepted(self, octets: int) -> None:
        self.messages += 1
        self.octets += octets

    def count_connection(self, outcome: str) -> None:
        self._metrics.connections.labels(self._listener, outcome).inc()

    def refused(self, command: str, reason: str) -> None:
        self._metrics.refusals.labels(self._listener, command, reason).inc()

    def authenticated(self, outcome: str) -> None:
        self._metrics.authentications.labels(outcome).inc()


class _PlainCounters(Collector):
    """Exports the plain numbers."""

    def __init__(self, listeners: dict[Listener, ListenerMetrics]) -> None:
        self._listeners = listeners

    def collect(self) -> Iterator[CounterMetricFamily]:
        replies = CounterMetricFamily(
            "facteur_ingress_replies", "SMTP replies, by listener and class of code.", labels=("listener", "class")
        )
        messages = CounterMetricFamily(
            "facteur_ingress_accepted_messages", "Messages that were accepted, by listener.", labels=("listener",)
        )
        octets = CounterMetricFamily(
            "facteur_ingress_accepted_bytes",
            "Bytes of accepted messages, by listener.",
            labels=("listener",),
        )
        for name, series in self._listeners.items():
            for digit in range(2, 6):
                replies.add_metric((name, f"{digit}xx"), series.replies[digit])
            messages.add_metric((name,), series.messages)
            octets.add_metric((name,), series.octets)
        yield from (replies, messages, octets)
