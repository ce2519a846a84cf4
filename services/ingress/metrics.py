"""The series of ingress. Labels are listeners, classes and reasons, never addresses."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from libs.envelope.model import Listener
from libs.telemetry import Metrics


class IngressMetrics(Metrics):
    """What operators see of the listeners."""

    def __init__(self) -> None:
        super().__init__()
        labels = ("listener", "command", "reason")
        self.open_sessions = self.gauge("facteur_smtp_sessions_open", "Sessions now, by listener.", ("listener",))
        self.sessions = self.counter(
            "facteur_smtp_sessions", "Connections and what came of them.", ("listener", "outcome")
        )
        self.refused = self.counter("facteur_refused", "Refusals by listener, command and reason.", labels)
        self.auth = self.counter("facteur_smtp_auth", "Authentications, by outcome.", ("outcome",))
        self._listeners: dict[Listener, ListenerMetrics] = {}
        self.registry.register(_Tallies(self._listeners))

    def of(self, listener: Listener) -> ListenerMetrics:
        """The series of one listener."""
        return self._listeners.setdefault(listener, ListenerMetrics(self, listener))


class ListenerMetrics:
    """One listener's series. What each command counts is a plain number, shown when somebody looks."""

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
        self._metrics.sessions.labels(self._listener, outcome).inc()

    def refused(self, command: str, reason: str) -> None:
        self._metrics.refused.labels(self._listener, command, reason).inc()

    def authenticated(self, outcome: str) -> None:
        self._metrics.auth.labels(outcome).inc()


class _Tallies(Collector):
    """The plain numbers as Prometheus wants them."""

    def __init__(self, listeners: dict[Listener, ListenerMetrics]) -> None:
        self._listeners = listeners

    def collect(self) -> Iterator[CounterMetricFamily]:
        label = ("listener",)
        replies = CounterMetricFamily(
            "facteur_smtp_replies", "Replies by listener and class.", labels=(*label, "class")
        )
        messages = CounterMetricFamily("facteur_accepted_messages", "Messages accepted, by listener.", labels=label)
        octets = CounterMetricFamily(
            "facteur_accepted_bytes", "Octets of accepted messages, by listener.", labels=label
        )
        for name, series in self._listeners.items():
            for digit in range(2, 6):
                replies.add_metric((name, f"{digit}xx"), series.replies[digit])
            messages.add_metric((name,), series.messages)
            octets.add_metric((name,), series.octets)
        yield from (replies, messages, octets)
