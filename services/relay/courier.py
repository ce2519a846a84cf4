"""Finds what is due, opens connections for it, fairly, and ends them in order. The heart of relay.

A lane is one connection to a site, with a slot that counts in the whole cluster. It takes the destinations of its site
in turn, some entries of each, and keeps its connection a while when nothing is left.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog

from libs.envelope import Permanent, Temporary
from libs.tasks import cancelled
from services.relay.adapters.holders import Holders
from services.relay.adapters.queue import MOST_ENTRIES, MongoQueue
from services.relay.delivering import Delivering
from services.relay.domain.entries import Entry
from services.relay.domain.replies import Result, deferred, failed
from services.relay.domain.traffic import Lane, Traffic
from services.relay.ledger import Ledger
from services.relay.ports import Destinations, Route, Session

log = structlog.get_logger(__name__)

TURN = 20  # messages
IDLE = timedelta(seconds=10)
_MOST_SITES = 20_000
_LOOK_UPS = 100
_NO_ROUTE = "no route to "


@dataclass(frozen=True, slots=True)
class Limits:
    """Connections at a time: of the cluster to one site, of this process to all."""

    site: int
    total: int


class Courier:
    """Started and stopped by the runner like a listener: at SIGTERM transactions under way end first."""

    def __init__(
        self,
        *,
        queue: MongoQueue,
        holders: Holders,
        ledger: Ledger,
        delivering: Delivering,
        destinations: Destinations,
        session: Callable[[], Session],
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._holders = holders
        self._ledger = ledger
        self._delivering = delivering
        self._destinations = destinations
        self._session = session
        self._limits = limits
        self._clock = clock
        self._traffic = Traffic(limit=limits.site, total=limits.total)
        self._sites: OrderedDict[str, str] = OrderedDict()
        self._suspended: set[str] = set()
        self._claims: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._finding: dict[str, asyncio.Task[None]] = {}
        self._work = asyncio.Condition()
        self._looking = asyncio.Lock()
        self._turns = 0
        self._in_hand: set[str] = set()
        self._lost: set[str] = set()
        self._stopping = False

    async def start(self) -> None:
        """Nothing to bind."""

    async def stop(self, grace: timedelta) -> None:
        """Claim nothing more, let transactions end within `grace`, give back at once what was not sent."""
        self._stopping = True
        async with self._looking:
            pass  # a look that had begun is over, and no other one begins
        await cancelled([*self._finding.values()])
        await self._notify()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace.total_seconds())
        await cancelled(self._tasks)
        try:
            await self._ledger.flush()
            await self._queue.release_all([self._holders.holder], now=self._clock())
            await self._holders.leave([self._holders.holder])
        except Temporary as error:
            # Others find out that we are gone, and go on when our lease is over.
            log.warning("leases_not_released", reason=error.reason, unwritten=self._ledger.unwritten)

    async def heartbeat(self) -> None:
        """A round: write down what is known first, then say that we live, then take over from those who do not."""
        await self._ledger.flush()
        if self._stopping:
            return
        await self._holders.renew(now=self._clock())
        await self._find_lost()
        if dead := await self._holders.dead(now=self._clock()):
            count = await self._queue.release_all(dead, now=self._clock())
            await self._holders.leave(dead)
            log.warning("taken_over", holders=dead, entries=count)

    async def _find_lost(self) -> None:
        """What is ours and in nobody's hand: a claim of which the answer was lost, or a release that was not written.

        Seen twice, and never while a claim is on its way.
        """
        if self._claims:
            return
        leased = await self._queue.fences()
        lost = leased - self._in_hand - self._ledger.fences
        if again := lost & self._lost:
            log.warning("leases_lost", count=len(again))
            await self._queue.release_fences(again, now=self._clock())
        self._lost = lost - again

    async def look(self) -> None:
        """A round: what is due now. Raises `Temporary`."""
        async with self._looking:
            if self._stopping:
                return
            if not self._holders.holds:
                await self._holders.renew(now=self._clock())
            self._suspended = await self._queue.suspended()
            ready = await self._queue.ready(now=self._clock())
            self._traffic.look_again()
        self.expect(ready)

    def hold(self, destination: str, *, held: bool) -> None:
        """An operator did so; other processes see it at their next look."""
        (self._suspended.add if held else self._suspended.discard)(destination)

    def expect(self, destinations: Iterable[str]) -> None:
        """Something is due for `destinations`."""
        if self._stopping:
            return
        for destination in destinations:
            if destination in self._suspended:
                continue
            if (site := self._sites.get(destination)) is not None:
                self._traffic.expect(site, destination)
            elif destination not in self._finding and len(self._finding) < _LOOK_UPS:
                self._finding[destination] = self._start(self._find(destination))
        self._open_lanes()

    async def _find(self, destination: str) -> None:
        try:
            route = await self._route(destination)
        finally:
            del self._finding[destination]
        self._sites[destination] = route.site if isinstance(route, Route) else _NO_ROUTE + destination
        while len(self._sites) > _MOST_SITES:
            self._sites.popitem(last=False)
        self.expect([destination])

    async def _route(self, destination: str) -> Route | Result:
        try:
            return await self._destinations.route(destination)
        except Temporary as error:
            return deferred(error.reason, status=error.reason.split()[0])
        except Permanent as error:
            return failed(error.reason, status=error.reason.split()[0])

    def _open_lanes(self) -> None:
        if self._stopping:
            return
        while (lane := self._traffic.open(monotonic())) is not None:
            self._start(self._serve(lane))
        if (idle := self._traffic.idle()) is not None:
            idle.must_end = True
        if any(lane.busy_since is None for lane in self._traffic.lanes):
            self._start(self._notify())

    async def _notify(self) -> None:
        async with self._work:
            self._work.notify_all()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, Temporary):
                log.warning("lane_ended", reason=error.reason)
            else:
                log.error("lane_failed", exc_info=error)

    async def _serve(self, lane: Lane) -> None:
        slot: str | None = None
        session = self._session()
        try:
            slot = await self._holders.connect(lane.site, limit=self._limits.site, now=self._clock())
            while slot is not None and not self._stopping:
                if (destination := self._traffic.take(lane.site)) is not None:
                    await self._turn(lane, destination, session)
                    if self._traffic.must_yield(lane, monotonic()):
                        break
                elif not await self._more(lane):
                    break
        finally:
            self._traffic.close(lane, is_full=slot is None)
            await session.close()
            if slot is not None:
                await self._holders.disconnect(lane.site, slot)
            self._open_lanes()

    async def _more(self, lane: Lane) -> bool:
        """Wait a while for more to do over the same connection."""
        lane.busy_since = None
        try:
            async with asyncio.timeout(IDLE.total_seconds()):
                while not (self._stopping or lane.must_end or self._traffic.has_work(lane.site)):
                    async with self._work:
                        await self._work.wait()
        except TimeoutError:
            return False
        finally:
            lane.busy_since = monotonic()
        return not self._stopping and not lane.must_end

    async def _turn(self, lane: Lane, destination: str, session: Session) -> None:
        route = await self._route(destination)
        site = route.site if isinstance(route, Route) else lane.site
        if site != lane.site:
            self._sites[destination] = site  # it has moved: its mail is another lane's
            self.expect([destination])
            return
        left = {entry.id: entry for entry in await self._claim(destination)}
        self._in_hand |= {entry.fence for entry in left.values()}
        fences = {entry.fence for entry in left.values()}
        try:
            if len(left) >= MOST_ENTRIES or len({entry.message for entry in left.values()}) >= TURN:
                self.expect([destination])  # others may help
            for batch, mail in await self._delivering.batches(list(left.values())) if left else ():
                if self._stopping or not self._holders.holds:
                    break
                lane.busy_since = monotonic()
                for entry in batch.entries:
                    del left[entry.id]
                await self._delivering.deliver(batch, mail, route, session)
        finally:
            self._in_hand -= fences
            if left:
                await self._release(list(left.values()))

    async def _claim(self, destination: str) -> list[Entry]:
        """One claim at a time for a destination: two would choose the same entries."""
        if self._stopping or destination in self._suspended or not self._holders.holds:
            return []
        self._turns += 1
        lock = self._claims.setdefault(destination, asyncio.Lock())
        try:
            async with lock:
                return await self._queue.claim(
                    destination, now=self._clock(), messages=TURN, bulk_first=self._turns % 4 == 0
                )
        finally:
            if not lock.locked():
                self._claims.pop(destination, None)

    async def _release(self, entries: list[Entry]) -> None:
        try:
            await self._queue.release(entries, now=self._clock())
        except Temporary as error:
            log.warning("entries_not_released", count=len(entries), reason=error.reason)
