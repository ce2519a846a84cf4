"""Limits of the connections of one port: one for all, and one for the unauthenticated connections of a network.

A connection that has shown a token is kept until it ends. One without may be closed while it waits for its next
request: the one that has waited longest makes room for a new one, so that idle connections keep no caller out.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Protocol

import structlog

from libs.network import network_of
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

LOG_EVERY_SECONDS = 10.0


class HttpConnection(Protocol):
    """What the limits need of a connection."""

    peer: str

    def cut(self) -> None:
        """Close it at once."""


class Connections:
    """The open connections of one port."""

    def __init__(self, *, limit: int, limit_per_network: int, metrics: Metrics | None = None) -> None:
        self._limit = limit
        self._limit_per_network = limit_per_network
        self._strangers: dict[HttpConnection, str] = {}
        self._of_network: Counter[str] = Counter()
        # Strangers that wait for a request, by network; a dictionary keeps the order in which they began to wait.
        self._waiting: dict[HttpConnection, None] = {}
        self._open = 0
        metrics = metrics or Metrics()
        self._gauge = metrics.gauge("facteur_http_connections", "HTTP connections that are open now.")
        self._ended = metrics.counter(
            "facteur_http_connections_closed", "HTTP connections that a limit ended, by reason.", ("reason",)
        )
        self._next_line = 0.0

    def admit(self, connection: HttpConnection) -> bool:
        """Admit a new connection, for which another one may be closed. Return False when there is no room."""
        network = network_of(connection.peer) if connection.peer else ""
        if self._of_network[network] >= self._limit_per_network and not self._make_room(network):
            return self._told("network", network)
        if self._open >= self._limit and not self._make_room(None):
            return self._told("port", network)
        self._open += 1
        self._gauge.set(self._open)
        self._strangers[connection] = network
        self._of_network[network] += 1
        self._waiting[connection] = None
        return True

    def asks(self, connection: HttpConnection) -> None:
        """Note that a whole request came in: it is answered before the connection may be closed."""
        self._waiting.pop(connection, None)

    def waits(self, connection: HttpConnection, *, trusted: bool) -> None:
        """Its last request is answered; `trusted` when that request came with a known token."""
        if trusted:
            self._forget_stranger(connection)
        elif connection in self._strangers:
            self._waiting[connection] = None

    def gone(self, connection: HttpConnection) -> None:
        """Forget a closed connection that was admitted."""
        self._forget_stranger(connection)
        self._open -= 1
        self._gauge.set(self._open)

    def ended(self, reason: str, connection: HttpConnection) -> None:
        """Count a connection that a deadline or a limit of the protocol ended."""
        self._told(reason, connection.peer)

    def _forget_stranger(self, connection: HttpConnection) -> None:
        self._waiting.pop(connection, None)
        network = self._strangers.pop(connection, None)
        if network is not None:
            self._of_network[network] -= 1
            if not self._of_network[network]:
                del self._of_network[network]

    def _make_room(self, network: str | None) -> bool:
        """Close the unauthenticated connection that has waited longest, of `network` or of any network."""
        longest = next((one for one in self._waiting if network is None or self._strangers[one] == network), None)
        if longest is None:
            return False
        self._told("idle", self._strangers[longest])
        longest.cut()
        self.gone(longest)
        return True

    def _told(self, reason: str, peer: str) -> bool:
        """Count a refused or closed connection. Return False, for the caller to return."""
        self._ended.labels(reason).inc()
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + LOG_EVERY_SECONDS
            log.warning("http_connection_closed", reason=reason, peer=peer, open=self._open)
        return False
