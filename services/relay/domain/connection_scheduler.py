"""Schedules connections: which MX group gets the next one, and which destination a connection serves next.

MX groups are treated fairly: one without a connection gets its first before another gets its next, and a group gives a
connection up after a turn while others wait for theirs. The destinations of a group are served in turn. A connection
that waits long for its peer counts as slow and no longer against `total`, so that fifty tarpits delay no other mail.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

SLOW_SECONDS = 15.0
SLOW_FACTOR = 8  # so many times `total` with the slow ones


@dataclass(slots=True, eq=False)
class ScheduledConnection:
    """One connection to an MX group. `busy_since` is None while it has nothing to do."""

    mx_group: str
    busy_since: float | None = None
    must_close: bool = False

    def is_slow(self, now: float) -> bool:
        return self.busy_since is not None and now - self.busy_since >= SLOW_SECONDS


@dataclass(slots=True)
class _MxGroup:
    ready: OrderedDict[str, None] = field(default_factory=OrderedDict)
    connections: list[ScheduledConnection] = field(default_factory=list)
    served: int = 0
    is_full: bool = False  # in the cluster: nothing more until the next look


class ConnectionScheduler:
    """`limit` connections to an MX group, `total` to all. Times are seconds of a monotonic clock."""

    def __init__(self, *, limit: int, total: int) -> None:
        self._limit = limit
        self._total = total
        self._mx_groups: dict[str, _MxGroup] = {}
        self._turns = 0

    @property
    def connections(self) -> list[ScheduledConnection]:
        return [connection for mx_group in self._mx_groups.values() for connection in mx_group.connections]

    def expect(self, mx_group: str, destination: str) -> None:
        """Something is due for `destination`."""
        self._mx_groups.setdefault(mx_group, _MxGroup()).ready[destination] = None

    def has_work(self, mx_group: str) -> bool:
        found = self._mx_groups.get(mx_group)
        return found is not None and bool(found.ready)

    def next_destination(self, mx_group: str) -> str | None:
        """The destination of `mx_group` whose turn it is."""
        found = self._mx_groups.get(mx_group)
        if found is None or not found.ready:
            return None
        self._turns += 1
        found.served = self._turns
        return found.ready.popitem(last=False)[0]

    def open(self, now: float) -> ScheduledConnection | None:
        """A connection for the MX group that is to have the next one; None when none is wanted or may be had."""
        if not self._has_room(now):
            return None
        waiting = [
            (len(mx_group.connections), mx_group.served, name)
            for name, mx_group in self._mx_groups.items()
            if mx_group.ready
            and not mx_group.is_full
            and len(mx_group.connections) < self._limit
            and not self._will_be_served(mx_group)
        ]
        if not waiting:
            return None
        connection = ScheduledConnection(min(waiting)[2], busy_since=now)
        self._mx_groups[connection.mx_group].connections.append(connection)
        return connection

    def close(self, connection: ScheduledConnection, *, is_full: bool = False) -> None:
        """The connection is closed; `is_full` when there was none to be had in the cluster."""
        mx_group = self._mx_groups[connection.mx_group]
        mx_group.connections.remove(connection)
        mx_group.is_full = mx_group.is_full or is_full
        self._forget(connection.mx_group, mx_group)

    def retry_full_groups(self) -> None:
        """What was full may have room now."""
        for mx_group in self._mx_groups.values():
            mx_group.is_full = False

    def must_yield(self, connection: ScheduledConnection, now: float) -> bool:
        """Whether the connection ends after its turn, for an MX group that has none."""
        if connection.must_close:
            return True
        if self._has_room(now):
            return False
        return any(
            mx_group.ready and not mx_group.connections and not mx_group.is_full
            for mx_group in self._mx_groups.values()
        )

    def idle(self) -> ScheduledConnection | None:
        """A connection that has nothing to do, to be ended for one that has."""
        if not any(mx_group.ready and not mx_group.connections for mx_group in self._mx_groups.values()):
            return None
        return next(
            (
                connection
                for connection in self.connections
                if connection.busy_since is None and not connection.must_close
            ),
            None,
        )

    def _has_room(self, now: float) -> bool:
        connections = self.connections
        busy = sum(not connection.is_slow(now) for connection in connections)
        return busy < self._total and len(connections) < self._total * SLOW_FACTOR

    def _will_be_served(self, mx_group: _MxGroup) -> bool:
        """By connections that wait for work: each takes one destination."""
        return sum(
            connection.busy_since is None and not connection.must_close for connection in mx_group.connections
        ) >= len(mx_group.ready)

    def _forget(self, name: str, mx_group: _MxGroup) -> None:
        if not mx_group.ready and not mx_group.connections:
            del self._mx_groups[name]
