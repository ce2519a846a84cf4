"""The series of ingress. Labels are listeners, classes and reasons, never addresses."""

from __future__ import annotations

from functools import cached_property

from prometheus_client import Counter

from libs.envelope.model import Listener
from libs.telemetry import Metrics


class IngressMetrics(Metrics):
    """What operators see of the listeners."""

    def __init__(self) -> None:
        super().__init__()
        self.open_sessions = self.gauge("facteur_smtp_sessions_open", "Sessions now, by listener.", ("listener",))
        self.sessions = self.counter(
            "facteur_smtp_sessions", "Connections, by listener and outcome.", ("listener", "outcome")
        )
        self.replies = self.counter("facteur_smtp_replies", "Replies by listener and class.", ("listener", "class"))
        self.accepted = self.counter("facteur_accepted_messages", "Messages accepted, by listener.", ("listener",))
        self.octets = self.counter("facteur_accepted_bytes", "Octets of accepted messages, by listener.", ("listener",))
        labels = ("listener", "command", "reason")
        self.refused = self.counter("facteur_refused", "Refusals by listener, command and reason.", labels)
        self.auth = self.counter("facteur_smtp_auth", "Authentications, by outcome.", ("outcome",))

    def of(self, listener: Listener) -> ListenerMetrics:
        """The series of one listener."""
        return ListenerMetrics(self, listener)


class ListenerMetrics:
    """One listener's series, looked up once: a look-up costs more than a count."""

    def __init__(self, metrics: IngressMetrics, listener: Listener) -> None:
        self._metrics = metrics
        self._listener = listener
        self._classes = {digit: metrics.replies.labels(listener, f"{digit}xx") for digit in range(2, 6)}
        self.open_sessions = metrics.open_sessions.labels(listener)

    @cached_property
    def accepted(self) -> Counter:
        return self._metrics.accepted.labels(self._listener)

    @cached_property
    def octets(self) -> Counter:
        return self._metrics.octets.labels(self._listener)

    def replied(self, code: int) -> None:
        self._classes[code // 100].inc()

    def session(self, outcome: str) -> None:
        self._metrics.sessions.labels(self._listener, outcome).inc()

    def refused(self, command: str, reason: str) -> None:
        self._metrics.refused.labels(self._listener, command, reason).inc()

    def authenticated(self, outcome: str) -> None:
        self._metrics.auth.labels(outcome).inc()
