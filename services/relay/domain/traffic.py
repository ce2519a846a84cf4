"""Whose turn it is: destinations with mail that is due, by site, and the connections that serve them.

Fair between sites: one without a connection gets its first before another gets its next one, and a site gives a
connection up after a turn when others wait for theirs. Fair between the destinations of a site: in turn. A connection
that has waited long for its peer counts as slow and no longer as one of the `total`: fifty tarpits hold up nobody else.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

SLOW_SECONDS = 15.0
SLOW_FACTOR = 8  # so many times `total` with the slow ones


@dataclass(slots=True, eq=False)
class Lane:
    """One connection to a site. `busy_since` is None while it has nothing to do."""

    site: str
    busy_since: float | None = None
    must_end: bool = False

    def is_slow(self, now: float) -> bool:
        return self.busy_since is not None and now - self.busy_since >= SLOW_SECONDS


@dataclass(slots=True)
class _Site:
    ready: OrderedDict[str, None] = field(default_factory=OrderedDict)
    lanes: list[Lane] = field(default_factory=list)
    served: int = 0
    is_full: bool = False  # in the cluster: nothing more until the next look


class Traffic:
    """`limit` connections to a site, `total` to all. Times are seconds of a monotonic clock."""

    def __init__(self, *, limit: int, total: int) -> None:
        self._limit = limit
        self._total = total
        self._sites: dict[str, _Site] = {}
        self._turns = 0

    @property
    def lanes(self) -> list[Lane]:
        return [lane for site in self._sites.values() for lane in site.lanes]

    def expect(self, site: str, destination: str) -> None:
        """Something is due for `destination`."""
        self._sites.setdefault(site, _Site()).ready[destination] = None

    def has_work(self, site: str) -> bool:
        found = self._sites.get(site)
        return found is not None and bool(found.ready)

    def take(self, site: str) -> str | None:
        """The destination of `site` whose turn it is."""
        found = self._sites.get(site)
        if found is None or not found.ready:
            return None
        self._turns += 1
        found.served = self._turns
        return found.ready.popitem(last=False)[0]

    def open(self, now: float) -> Lane | None:
        """A lane for the site that is to have the next one; None when none is wanted or may be had."""
        if not self._has_room(now):
            return None
        waiting = [
            (len(site.lanes), site.served, name)
            for name, site in self._sites.items()
            if site.ready and not site.is_full and len(site.lanes) < self._limit and not self._will_be_served(site)
        ]
        if not waiting:
            return None
        lane = Lane(min(waiting)[2], busy_since=now)
        self._sites[lane.site].lanes.append(lane)
        return lane

    def close(self, lane: Lane, *, is_full: bool = False) -> None:
        """The connection is closed; `is_full` when there was none to be had in the cluster."""
        site = self._sites[lane.site]
        site.lanes.remove(lane)
        site.is_full = site.is_full or is_full
        self._forget(lane.site, site)

    def look_again(self) -> None:
        """What was full may have room now."""
        for site in self._sites.values():
            site.is_full = False

    def must_yield(self, lane: Lane, now: float) -> bool:
        """Whether the lane ends after its turn, for a site that has none."""
        if lane.must_end:
            return True
        if self._has_room(now):
            return False
        return any(site.ready and not site.lanes and not site.is_full for site in self._sites.values())

    def idle(self) -> Lane | None:
        """A lane that has nothing to do, to be ended for one that has."""
        if not any(site.ready and not site.lanes for site in self._sites.values()):
            return None
        return next((lane for lane in self.lanes if lane.busy_since is None and not lane.must_end), None)

    def _has_room(self, now: float) -> bool:
        lanes = self.lanes
        busy = sum(not lane.is_slow(now) for lane in lanes)
        return busy < self._total and len(lanes) < self._total * SLOW_FACTOR

    def _will_be_served(self, site: _Site) -> bool:
        """By lanes that wait for work: each takes one destination."""
        return sum(lane.busy_since is None and not lane.must_end for lane in site.lanes) >= len(site.ready)

    def _forget(self, name: str, site: _Site) -> None:
        if not site.ready and not site.lanes:
            del self._sites[name]
