"""Schedules connections: which MX group gets the next one, and which destination a connection serves next.

MX groups are treated fairly: one without a connection gets its first before another gets its next, and a group gives a
connection up after a turn while others wait for theirs. The destinations of a group are served in turn. A connection
that waits long for its peer counts as slow and no longer against `total`, so that fifty tarpits delay no other mail.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

SLOW_SECONDS = 15.0
SLOW_FACTOR = 8  # the bound of all connections, the slow ones included, in multiples of `total`


@dataclass(slots=True, eq=False)
class ScheduledConnection:
    """One connection to an MX group. `busy_since` is None while it is idle."""

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
    is_full: bool = False  # in the whole cluster, until the next poll


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
        """Schedule `destination`, for which entries are due."""
        self._mx_groups.setdefault(mx_group, _MxGroup()).ready[destination] = None

    def has_work(self, mx_group: str) -> bool:
        found = self._mx_groups.get(mx_group)
        return found is not None and bool(found.ready)

    def next_destination(self, mx_group: str) -> str | None:
        """The next destination of `mx_group`, in turn."""
        found = self._mx_groups.get(mx_group)
        if found is None or not found.ready:
            return None
        self._turns += 1
        found.served = self._turns
        return found.ready.popitem(last=False)[0]

    def open(self, now: float) -> ScheduledConnection | None:
        """Open a connection for the MX group that is next; None when none is needed or allowed."""
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
        """Remove a closed connection; `is_full` when the cluster had no slot left for it."""
        mx_group = self._mx_groups[connection.mx_group]
        mx_group.connections.remove(connection)
        mx_group.is_full = mx_group.is_full or is_full
        self._forget(connection.mx_group, mx_group)

    def retry_full_groups(self) -> None:
        """Let MX groups that were full be tried again."""
        for mx_group in self._mx_groups.values():
            mx_group.is_full = False

    def must_yield(self, connection: ScheduledConnection, now: float) -> bool:
        """Whether the connection must close after its turn, in favour of an MX group without one."""
        if connection.must_close:
            return True
        if self._has_room(now):
            return False
        return any(
            mx_group.ready and not mx_group.connections and not mx_group.is_full
            for mx_group in self._mx_groups.values()
        )

    def idle(self) -> ScheduledConnection | None:
        """An idle connection that may be closed in favour of an MX group without one."""
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
        """Whether idle connections suffice: each of them serves one destination."""
        return sum(
            connection.busy_since is None and not connection.must_close for connection in mx_group.connections
        ) >= len(mx_group.ready)

    def _forget(self, name: str, mx_group: _MxGroup) -> None:
        if not mx_group.ready and not mx_group.connections:
            del self._mx_groups[name]
